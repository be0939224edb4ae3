// SPDX-License-Identifier: Apache-2.0
//
// Page tables for addresses of 39 bits or fewer: three levels of 512 entries, pages
// of 4 KiB, 2 MiB and 1 GiB. What an entry looks like is page_format.h's. Tables are
// reached at their physical addresses. Nothing here makes a change known to the
// processor: the caller does (translation_changed).
#pragma once

#include <cstdint>

#include "abi/hal.h"
#include "hal/board/page_format.h"

namespace rumpk::hal {

// Pages for tables, taken in order and never given back.
class PagePool {
  public:
    constexpr PagePool() = default;
    constexpr PagePool(uint64_t base, uint64_t end) : next_(base), end_(end) {}

    // One page as it is; 0: none left.
    uint64_t take();
    // One page, all zeros; 0: none left.
    uint64_t take_zeroed();
    uint64_t next() const { return next_; }

  private:
    uint64_t next_ = 0;
    uint64_t end_ = 0;
};

class PageTables {
  public:
    // What an entry of a table of that level maps, 0 the lowest.
    static constexpr uint64_t page_size(uint32_t level) { return uint64_t{HAL_PAGE_SIZE} << 9 * level; }

    // Whose a mapping is. Only the core's may be changed through the HAL's table.
    enum class Owner : uint8_t { kernel, core };
    using Memory = page_format::Memory;

    constexpr PageTables() = default;
    // That of somebody else, to look at.
    explicit constexpr PageTables(uint64_t root) : root_(root) {}
    // An empty map. False: the pool is empty.
    [[nodiscard]] bool begin(PagePool* pool);
    // A map that is the same, by the same tables, but where the first entries of the root lead: there it is
    // empty, and each goes its own way. False: the pool is empty.
    [[nodiscard]] bool begin_beside(const PageTables& other, uint32_t own_entries);
    uint64_t root() const { return root_; } // 0: not begun

    // Maps [address, +size), in the largest pages that fit: everything page aligned, below
    // end_of_addresses, size > 0, `rights` HAL_MAP_*. All or nothing.
    // 0, -EEXIST: something of the core is there, -EINVAL: something of the kernel is,
    // -ENOMEM: no page for tables.
    int map(uint64_t address, uint64_t physical, uint64_t size, uint32_t rights, Owner owner,
            Memory memory = Memory::normal);

    // Rights of what the core owns; rights 0 takes it away. All or nothing.
    // 0, -ENOENT: not all of it is the core's, -ENOMEM: no page to split a large one.
    int change(uint64_t address, uint64_t size, uint32_t rights);

    // Takes away what one entry maps at the beginning of the range, if that is the core's. How many bytes one
    // is about, at most those of the range; 0: what is there reaches beyond it.
    uint64_t take(uint64_t address, uint64_t size);

    // The leaf that maps the address, 0 if none does.
    uint64_t lookup(uint64_t address) const;
    // Does a leaf map the address, or is one on its way (page_format::being_cut)? Others may be changing the
    // map.
    bool may_map(uint64_t address) const;

  private:
    static constexpr uint32_t levels = 3;
    static constexpr uint32_t entries = 512;

    struct Slot {
        uint64_t* entry; // nullptr: no page for a table
        uint32_t level;
    };
    Slot find(uint64_t address) const;
    Slot descend(uint64_t address, uint32_t level);
    void clear(uint64_t address, uint64_t end);
    int cut(uint64_t address);

    PagePool* pool_ = nullptr;
    uint64_t root_ = 0;
};

} // namespace rumpk::hal
