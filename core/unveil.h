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
    // Makes a path and what lies beneath it visible with `rights` (RUMPK_RIGHT_*, any
    // set of them: writing and executing a file are not W^X's matter; 0 hides what a
    // shorter path shows). In steps, since it takes long; between two of them another
    // may begin, and then has the place for the new path: finish() says EAGAIN.
    // EPERM: locked.
    [[nodiscard]] Result<uint64_t> begin();
    // Bytes of the path, at their place in it. Nothing, if it is another's turn.
    void put(uint64_t turn, size_t at, std::span<const char> bytes);
    // The same path in the table, or where the new one would stand. EINVAL: not a path.
    // Meaningless if it is another's turn; may be interrupted.
    [[nodiscard]] Result<size_t> find(size_t length) const;
    // EAGAIN: from the beginning. EPERM: locked, or the path is there with fewer rights.
    // EINVAL: an unknown right, or not a path. E2BIG: RUMPK_UNVEIL_MAX paths are there already.
    [[nodiscard]] Result<void> finish(uint64_t turn, size_t length, Result<size_t> found, uint64_t rights);

    // As it was made. Nobody is adding a path, or ever goes on with it.
    void reset() {
        count_ = 0;
        locked_ = false;
    }

    // From now on begin() and lock() say EPERM.
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
    uint64_t turn_ = 0;                                 // of who adds; the last one to begin
    std::array<Entry, RUMPK_UNVEIL_MAX + 1> entries_{}; // behind the last: the path that is being added
};

} // namespace rumpk
