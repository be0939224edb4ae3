// SPDX-License-Identifier: Apache-2.0
#include "hal/arch/riscv64/sv39.h"

namespace rumpk::hal {

namespace {

bool is_valid(uint64_t entry) {
    return (entry & Sv39::valid) != 0;
}

// 4.3.2: an entry with neither R nor X points to the next table.
bool is_leaf(uint64_t entry) {
    return (entry & (Sv39::read | Sv39::write | Sv39::execute)) != 0;
}

uint64_t* table_at(uint64_t physical) {
    return reinterpret_cast<uint64_t*>(physical);
}

uint64_t entry_for(uint64_t physical) {
    return physical >> 12 << Sv39::frame_shift;
}

uint32_t index_of(uint64_t address, uint32_t level) {
    return address >> (12 + 9 * level) & 511;
}

} // namespace

uint64_t PagePool::take(uint64_t count) {
    if (count > (end_ - next_) / HAL_PAGE_SIZE) {
        return 0;
    }
    uint64_t page = next_;
    next_ += count * HAL_PAGE_SIZE;
    return page;
}

uint64_t PagePool::take_zeroed() {
    uint64_t page = take(1);
    if (page != 0) {
        uint64_t* word = table_at(page);
        // Eight at a time: clearing tables is a good part of a boot.
        for (uint64_t* end = word + HAL_PAGE_SIZE / sizeof(uint64_t); word != end; word += 8) {
            word[0] = word[1] = word[2] = word[3] = word[4] = word[5] = word[6] = word[7] = 0;
        }
    }
    return page;
}

bool Sv39::begin(PagePool* pool) {
    pool_ = pool;
    root_ = pool->take_zeroed();
    return root_ != 0;
}

// Accessed and dirty are set from the start: without Svadu the processor faults
// instead of setting them (4.3.1). Writable implies readable: W alone is reserved.
uint64_t Sv39::rights_bits(uint32_t rights) {
    uint64_t bits = valid | accessed | dirty;
    if ((rights & (HAL_MAP_READ | HAL_MAP_WRITE)) != 0) {
        bits |= read;
    }
    if ((rights & HAL_MAP_WRITE) != 0) {
        bits |= write;
    }
    if ((rights & HAL_MAP_EXEC) != 0) {
        bits |= execute;
    }
    return bits;
}

// The leaf for the address, or the empty entry where the walk ends.
Sv39::Slot Sv39::find(uint64_t address) const {
    uint64_t* table = table_at(root_);
    for (uint32_t level = levels - 1;; --level) {
        uint64_t* entry = table + index_of(address, level);
        if (level == 0 || !is_valid(*entry) || is_leaf(*entry)) {
            return {entry, level};
        }
        table = table_at(physical_of(*entry));
    }
}

// The empty entry at that level, with tables made on the way, or below it where a table
// is already; or the leaf that is in the way.
Sv39::Slot Sv39::descend(uint64_t address, uint32_t level) {
    Slot slot = find(address);
    while (slot.level > level && !is_valid(*slot.entry)) {
        uint64_t table = pool_->take_zeroed();
        if (table == 0) {
            return {nullptr, slot.level};
        }
        *slot.entry = entry_for(table) | valid;
        slot = {table_at(table) + index_of(address, slot.level - 1), slot.level - 1};
    }
    return slot;
}

int Sv39::map(uint64_t address, uint64_t physical, uint64_t size, uint32_t rights, Owner owner) {
    uint64_t bits = rights_bits(rights) | (owner == Owner::core ? of_core : 0);
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
            error = (*slot.entry & of_core) != 0 ? -RUMPK_EEXIST : -RUMPK_EINVAL;
            break;
        }
        // And as many empty neighbours as this table has: no larger page can begin among them.
        uint64_t step = page_size(slot.level);
        uint64_t count = entries - index_of(at, slot.level);
        count = (end - at) / step < count ? (end - at) / step : count;
        uint64_t* first = slot.entry;
        uint64_t* last = first + count;
        uint64_t entry = entry_for(physical) | bits;
        do {
            *slot.entry++ = entry;
            entry += entry_for(step);
        } while (slot.entry != last && !is_valid(*slot.entry));
        uint64_t mapped = static_cast<uint64_t>(slot.entry - first) * step;
        at += mapped;
        physical += mapped;
    }
    if (error != 0) {
        clear(address, at);
    }
    return error;
}

// What `map` has just written, all of it: its pages end where the range does.
void Sv39::clear(uint64_t address, uint64_t end) {
    while (address < end) {
        Slot slot = find(address);
        *slot.entry = 0;
        address += page_size(slot.level);
    }
}

bool Sv39::owned_by_core(uint64_t address, uint64_t end) const {
    while (address < end) {
        Slot slot = find(address);
        if (!is_valid(*slot.entry) || (*slot.entry & of_core) == 0) {
            return false;
        }
        uint64_t step = page_size(slot.level);
        address = (address & ~(step - 1)) + step;
    }
    return true;
}

// Makes a page boundary at the address, if a larger page covers it.
int Sv39::cut(uint64_t address) {
    for (;;) {
        Slot slot = find(address);
        if (!is_valid(*slot.entry) || (address & (page_size(slot.level) - 1)) == 0) {
            return 0;
        }
        uint64_t table = pool_->take(1);
        if (table == 0) {
            return -RUMPK_ENOMEM;
        }
        uint64_t step = page_size(slot.level - 1) >> 12 << frame_shift;
        uint64_t leaf = *slot.entry;
        for (uint32_t index = 0; index < entries; ++index) {
            table_at(table)[index] = leaf + index * step;
        }
        *slot.entry = entry_for(table) | valid;
    }
}

int Sv39::change(uint64_t address, uint64_t size, uint32_t rights) {
    uint64_t end = address + size;
    if (!owned_by_core(address, end)) {
        return -RUMPK_ENOENT;
    }
    if (int error = cut(address)) {
        return error;
    }
    if (int error = cut(end)) {
        return error;
    }
    uint64_t bits = rights_bits(rights) | of_core;
    while (address < end) {
        Slot slot = find(address);
        *slot.entry = rights == 0 ? 0 : entry_for(physical_of(*slot.entry)) | bits;
        address += page_size(slot.level);
    }
    return 0;
}

uint64_t Sv39::lookup(uint64_t address) const {
    Slot slot = find(address);
    return is_valid(*slot.entry) ? *slot.entry : 0;
}

} // namespace rumpk::hal
