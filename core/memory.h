// SPDX-License-Identifier: Apache-2.0
// The machine's free memory, given out once, at boot. After seal() nobody gets
// any more: the kernel never allocates while it runs, and this is the proof.
#pragma once

#include <new>
#include <span>
#include <string_view>
#include <utility>

#include "core/machine.h"

namespace rumpk {

class BootMemory {
  public:
    void prepare(const hal_boot& boot);
    // From now on take() is a panic.
    void seal() { sealed_ = true; }

    // Physical memory, page aligned, whole pages, not zeroed. `what` names it when
    // there is not enough, which ends the machine with a clear line. alignment: a
    // power of two, a page at least.
    [[nodiscard]] PhysAddr take_pages(uint64_t bytes, std::string_view what,
                                      uint64_t alignment = HAL_PAGE_SIZE);
    // A kernel object: zeroed memory, constructed in place, never destroyed.
    template <typename T>
    [[nodiscard]] std::span<T> take_objects(size_t count, std::string_view what) {
        constexpr size_t size = sizeof(T); // NOLINT(bugprone-sizeof-expression): pointers are objects, too
        std::byte* const at = take_bytes(count * size, alignof(T), what);
        for (size_t i = 0; i < count; ++i) {
            new (at + i * size) T();
        }
        return {reinterpret_cast<T*>(at), count};
    }
    // Where the kernel can touch physical memory that take_pages gave.
    [[nodiscard]] std::byte* touch(PhysAddr address) const;

    [[nodiscard]] uint64_t unused() const { return end_ - next_; }
    [[nodiscard]] uint64_t takes_after_seal() const { return takes_after_seal_; }

  private:
    [[nodiscard]] std::byte* take_bytes(uint64_t bytes, uint64_t alignment, std::string_view what);
    uint64_t take(uint64_t bytes, uint64_t alignment, std::string_view what);

    uint64_t next_ = 0; // physical
    uint64_t end_ = 0;  // physical, exclusive
    uint64_t direct_map_ = 0;
    uint64_t takes_after_seal_ = 0;
    bool sealed_ = false;
};

[[nodiscard]] BootMemory& boot_memory();

} // namespace rumpk
