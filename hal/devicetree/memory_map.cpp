// SPDX-License-Identifier: Apache-2.0
#include "hal/devicetree/memory_map.h"

namespace rumpk::hal {

bool MemoryMap::reserve(AddressRange range) {
    constexpr uint64_t below_page = HAL_PAGE_SIZE - 1;
    uint64_t base = range.base & ~below_page;
    uint64_t end = (range.end() + below_page) & ~below_page;
    // Rounding the end up may wrap; the last page of all is left out instead.
    if (end < range.end()) {
        end = ~below_page;
    }
    return base >= end || reserved_.add({base, end - base});
}

// The first free block of `memory`, a block of memory or its upper part.
AddressRange MemoryMap::free_in(AddressRange memory) const {
    uint64_t base = memory.base;
    // Ends: each round steps over a reservation for good, or stops.
    for (bool moved = true; moved;) {
        moved = false;
        for (const AddressRange& taken : reserved_) {
            if (taken.base <= base && base < taken.end()) {
                base = taken.end();
                moved = true;
            }
        }
    }
    if (base >= memory.end()) {
        return {};
    }
    uint64_t end = memory.end();
    for (const AddressRange& taken : reserved_) {
        if (taken.base > base && taken.base < end) {
            end = taken.base;
        }
    }
    return {base, end - base};
}

AddressRange MemoryMap::next_free(uint64_t from) const {
    AddressRange lowest;
    for (const AddressRange& memory : memory_) {
        uint64_t base = memory.base > from ? memory.base : from;
        if (base >= memory.end()) {
            continue;
        }
        AddressRange block = free_in({base, memory.end() - base});
        if (block.size != 0 && (lowest.size == 0 || block.base < lowest.base)) {
            lowest = block;
        }
    }
    return lowest;
}

AddressRange MemoryMap::largest_free() const {
    AddressRange largest;
    for (AddressRange block = next_free(0); block.size != 0; block = next_free(block.end())) {
        if (block.size > largest.size) {
            largest = block;
        }
    }
    return largest;
}

uint64_t MemoryMap::total() const {
    uint64_t bytes = 0;
    for (const AddressRange& memory : memory_) {
        bytes += memory.size;
    }
    return bytes;
}

bool MemoryMap::holds(AddressRange range) const {
    for (const AddressRange& memory : memory_) {
        if (memory.contains(range)) {
            return true;
        }
    }
    return false;
}

} // namespace rumpk::hal
