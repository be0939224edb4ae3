// SPDX-License-Identifier: Apache-2.0
//
// Page tables of Sv39 (privileged specification 1.12, 4.4): 39-bit addresses, three
// levels of 512 entries, pages of 4 KiB, 2 MiB and 1 GiB. Tables are reached at
// their physical addresses. No hardware is touched here: the caller fences.
#pragma once

#include <cstdint>

#include "abi/hal.h"

namespace rumpk::hal {

// Pages for tables, taken in order and never given back.
class PagePool {
  public:
    constexpr PagePool() = default;
    constexpr PagePool(uint64_t base, uint64_t end) : next_(base), end_(end) {}

    // `count` pages as they are; 0: none left.
    uint64_t take(uint64_t count);
    // One page, all zeros; 0: none left.
    uint64_t take_zeroed();
    uint64_t next() const { return next_; }

  private:
    uint64_t next_ = 0;
    uint64_t end_ = 0;
};

class Sv39 {
  public:
    // Lowest address above the lower half: there are no others here.
    static constexpr uint64_t end_of_addresses = uint64_t{1} << 38;

    // Whose a mapping is. Only the core's may be changed through the HAL's table.
    enum class Owner : uint64_t { kernel = 0, core = 1 };

    constexpr Sv39() = default;
    // An empty map. False: the pool is empty.
    [[nodiscard]] bool begin(PagePool* pool);
    uint64_t root() const { return root_; }

    // Maps [address, +size), in the largest pages that fit: everything page aligned, below
    // end_of_addresses, size > 0, `rights` HAL_MAP_*. All or nothing.
    // 0, -EEXIST: something of the core is there, -EINVAL: something of the kernel is,
    // -ENOMEM: no page for tables.
    int map(uint64_t address, uint64_t physical, uint64_t size, uint32_t rights, Owner owner);

    // Rights of what the core owns; rights 0 takes it away. All or nothing.
    // 0, -ENOENT: not all of it is the core's, -ENOMEM: no page to split a large one.
    int change(uint64_t address, uint64_t size, uint32_t rights);

    // The entry that maps the address, 0 if none does. For tests and reports.
    uint64_t lookup(uint64_t address) const;

    // 4.3.1, 4.4.1: an entry's bits
    static constexpr uint64_t valid = 1 << 0;
    static constexpr uint64_t read = 1 << 1;
    static constexpr uint64_t write = 1 << 2;
    static constexpr uint64_t execute = 1 << 3;
    static constexpr uint64_t accessed = 1 << 6;
    static constexpr uint64_t dirty = 1 << 7;
    static constexpr uint64_t of_core = 1 << 8; // RSW: free for software
    static constexpr uint64_t frame_shift = 10;

    static constexpr uint64_t physical_of(uint64_t entry) { return entry >> frame_shift << 12; }

  private:
    static constexpr uint32_t levels = 3;
    static constexpr uint32_t entries = 512;
    static constexpr uint64_t page_size(uint32_t level) { return uint64_t{HAL_PAGE_SIZE} << 9 * level; }
    static uint64_t rights_bits(uint32_t rights);

    struct Slot {
        uint64_t* entry; // nullptr: no page for a table
        uint32_t level;
    };
    Slot find(uint64_t address) const;
    Slot descend(uint64_t address, uint32_t level);
    void clear(uint64_t address, uint64_t end);
    int cut(uint64_t address);
    bool owned_by_core(uint64_t address, uint64_t end) const;

    PagePool* pool_ = nullptr;
    uint64_t root_ = 0;
};

} // namespace rumpk::hal
