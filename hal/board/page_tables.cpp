// SPDX-License-Identifier: Apache-2.0
#include "hal/board/page_tables.h"

namespace rumpk::hal {

using namespace page_format;

namespace {

uint64_t* table_at(uint64_t physical) {
    return reinterpret_cast<uint64_t*>(physical);
}

uint32_t index_of(uint64_t address, uint32_t level) {
    return address >> (12 + 9 * level) & 511;
}

} // namespace

uint64_t PagePool::take() {
    if (end_ - next_ < HAL_PAGE_SIZE) {
        return 0;
    }
    uint64_t page = next_;
    next_ += HAL_PAGE_SIZE;
    return page;
}

uint64_t PagePool::take_zeroed() {
    uint64_t page = take();
    if (page != 0) {
        uint64_t* word = table_at(page);
        // Eight at a time: clearing tables is a good part of a boot.
        for (uint64_t* end = word + HAL_PAGE_SIZE / sizeof(uint64_t); word != end; word += 8) {
            word[0] = word[1] = word[2] = word[3] = word[4] = word[5] = word[6] = word[7] = 0;
        }
    }
    return page;
}

bool PageTables::begin(PagePool* pool) {
    pool_ = pool;
    root_ = pool->take_zeroed();
    return root_ != 0;
}

bool PageTables::begin_beside(const PageTables& other, uint32_t own_entries) {
    if (!begin(other.pool_)) {
        return false;
    }
    for (uint32_t index = own_entries; index < entries; ++index) {
        table_at(root_)[index] = table_at(other.root_)[index];
    }
    return true;
}

// The leaf for the address, or the empty entry where the walk ends.
PageTables::Slot PageTables::find(uint64_t address) const {
    uint64_t* table = table_at(root_);
    for (uint32_t level = levels - 1;; --level) {
        uint64_t* entry = table + index_of(address, level);
        if (level == 0 || !is_valid(*entry) || is_leaf(*entry, level)) {
            return {entry, level};
        }
        table = table_at(physical_of(*entry));
    }
}

// The empty entry at that level, with tables made on the way, or below it where a table
// is already; or the leaf that is in the way.
PageTables::Slot PageTables::descend(uint64_t address, uint32_t level) {
    Slot slot = find(address);
    while (slot.level > level && !is_valid(*slot.entry)) {
        uint64_t table = pool_->take_zeroed();
        if (table == 0) {
            return {nullptr, slot.level};
        }
        *slot.entry = page_format::table(table);
        slot = {table_at(table) + index_of(address, slot.level - 1), slot.level - 1};
    }
    return slot;
}

int PageTables::map(uint64_t address, uint64_t physical, uint64_t size, uint32_t rights, Owner owner,
                    Memory memory) {
    uint64_t end = address + size;
    uint64_t at = address;
    int error = 0;
    // Ends: each round maps at least a page, or stops.
    while (at < end) {
        uint32_t level = levels - 1;
        while (level > 0 &&
               (((at | physical) & (page_size(level) - 1)) != 0 || end - at < page_size(level))) {
            --level;
        }
        Slot slot = descend(at, level);
        if (slot.entry == nullptr) {
            error = -RUMPK_ENOMEM;
            break;
        }
        if (is_valid(*slot.entry)) {
            error = is_of_core(*slot.entry) ? -RUMPK_EEXIST : -RUMPK_EINVAL;
            break;
        }
        // And as many empty neighbours as this table has: no larger page can begin among them.
        uint64_t step = page_size(slot.level);
        uint64_t count = entries - index_of(at, slot.level);
        count = (end - at) / step < count ? (end - at) / step : count;
        uint64_t* last = slot.entry + count;
        uint64_t entry = leaf(physical, slot.level, rights, owner == Owner::core, memory);
        do {
            *slot.entry++ = like(entry, physical, slot.level);
            at += step;
            physical += step;
        } while (slot.entry != last && !is_valid(*slot.entry));
    }
    if (error != 0) {
        clear(address, at);
    }
    return error;
}

// What `map` has just written, all of it: its pages end where the range does.
void PageTables::clear(uint64_t address, uint64_t end) {
    while (address < end) {
        Slot slot = find(address);
        *slot.entry = 0;
        address += page_size(slot.level);
    }
}

// Makes a page boundary at the address, if a larger page covers it.
int PageTables::cut(uint64_t address) {
    for (;;) {
        Slot slot = find(address);
        if (!is_valid(*slot.entry) || (address & (page_size(slot.level) - 1)) == 0) {
            return 0;
        }
        uint64_t table = pool_->take();
        if (table == 0) {
            return -RUMPK_ENOMEM;
        }
        uint32_t level = slot.level - 1;
        uint64_t whole = *slot.entry;
        for (uint32_t index = 0; index < entries; ++index) {
            table_at(table)[index] = like(whole, physical_of(whole) + index * page_size(level), level);
        }
        before_cut(slot.entry, address);
        *slot.entry = page_format::table(table);
    }
}

int PageTables::change(uint64_t address, uint64_t size, uint32_t rights) {
    uint64_t end = address + size;
    bool large = false; // is there a page that may reach beyond the range?
    for (uint64_t at = address; at < end;) {
        Slot slot = find(at);
        if (!is_valid(*slot.entry) || !is_of_core(*slot.entry)) {
            return -RUMPK_ENOENT;
        }
        large = large || slot.level != 0;
        at = (at & ~(page_size(slot.level) - 1)) + page_size(slot.level);
    }
    if (large) {
        if (int error = cut(address)) {
            return error;
        }
        if (int error = cut(end)) {
            return error;
        }
    }
    while (address < end) {
        Slot slot = find(address);
        *slot.entry = rights == 0 ? 0 : with_rights(*slot.entry, slot.level, rights);
        address += page_size(slot.level);
    }
    return 0;
}

uint64_t PageTables::take(uint64_t address, uint64_t size) {
    const Slot slot = find(address);
    const uint64_t behind = page_size(slot.level) - (address & (page_size(slot.level) - 1));
    if (is_valid(*slot.entry) && is_of_core(*slot.entry)) {
        if (behind != page_size(slot.level) || behind > size) {
            return 0;
        }
        *slot.entry = 0;
    }
    return behind < size ? behind : size;
}

bool PageTables::may_map(uint64_t address) const {
    uint64_t entry = *find(address).entry;
    return is_valid(entry) || entry == being_cut;
}

uint64_t PageTables::lookup(uint64_t address) const {
    Slot slot = find(address);
    return is_valid(*slot.entry) ? *slot.entry : 0;
}

} // namespace rumpk::hal
