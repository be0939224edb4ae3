// SPDX-License-Identifier: Apache-2.0
// What a cell sees of the file system, as OpenBSD's unveil(2) means it: until the
// first add() everything; from then on only what was unveiled, down to locking.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "core/types.h"

namespace rumpk {

// A path here has one spelling: absolute, no empty component, none that is "." or
// "..", no '/' at the end except for "/" itself, no NUL, 1..RUMPK_PATH_MAX bytes.
// Nothing is resolved in the kernel: a path that is spelled otherwise is refused,
// so comparing bytes is comparing paths.
// EINVAL: spelled otherwise; E2BIG: too long.
[[nodiscard]] Result<void> check_path(std::string_view path);

class UnveilTable {
  public:
    // Makes `path` and what lies beneath it visible with `rights` (RUMPK_RIGHT_*, any
    // set of them: writing and executing a file are not W^X's matter; 0 hides what a
    // shorter path shows).
    // EPERM: locked, or the path is there with fewer rights. EINVAL: an unknown right,
    // or not a path. E2BIG: too long, or RUMPK_UNVEIL_MAX paths are there already.
    [[nodiscard]] Result<void> add(std::string_view path, uint64_t rights);

    // From now on add() and lock() say EPERM.
    [[nodiscard]] Result<void> lock();
    [[nodiscard]] bool locked() const { return locked_; }

    // May the path be used so? The longest unveiled path that is the path itself or
    // a directory above it decides. ENOENT: nothing shows it. EPERM: shown, with
    // fewer rights (OpenBSD's EACCES). EINVAL, E2BIG: as check_path.
    [[nodiscard]] Result<void> check(std::string_view path, Rights wanted) const;

    // The rights by the same rule. ENOENT, EINVAL, E2BIG.
    [[nodiscard]] Result<Rights> rights(std::string_view path) const;

  private:
    struct Entry {
        uint8_t length = 0;
        uint8_t rights = 0;
        std::array<char, RUMPK_PATH_MAX> path{};
        [[nodiscard]] std::string_view view() const { return {path.data(), length}; }
    };

    uint32_t count_ = 0;
    bool locked_ = false;
    std::array<Entry, RUMPK_UNVEIL_MAX> entries_{};
};

} // namespace rumpk
