// SPDX-License-Identifier: Apache-2.0
//
// Sv39 (privileged specification 1.12, 4.3 and 4.4).
#include "hal/board/page_format.h"

namespace rumpk::hal::page_format {

namespace {

// 4.3.1, 4.4.1: an entry's bits
constexpr uint64_t valid = 1 << 0;
constexpr uint64_t read = 1 << 1;
constexpr uint64_t write = 1 << 2;
constexpr uint64_t execute = 1 << 3;
constexpr uint64_t user = 1 << 4;
constexpr uint64_t global = 1 << 5; // in all views
constexpr uint64_t accessed = 1 << 6;
constexpr uint64_t dirty = 1 << 7;
constexpr uint64_t of_core = 1 << 8; // RSW: free for software
constexpr uint64_t frame_shift = 10;
constexpr uint64_t flags = (1 << frame_shift) - 1;

constexpr uint64_t frame(uint64_t physical) {
    return physical >> 12 << frame_shift;
}

// Accessed and dirty are set from the start: without Svadu the processor faults
// instead of setting them (4.3.1). Writable implies readable: W alone is reserved.
uint64_t rights_bits(uint32_t rights) {
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
    if ((rights & HAL_MAP_USER) != 0) {
        bits |= user;
    }
    return bits;
}

} // namespace

constinit const uint32_t known_rights = HAL_MAP_READ | HAL_MAP_WRITE | HAL_MAP_EXEC | HAL_MAP_USER;

// The lower half: there are no others here.
constinit const uint64_t end_of_addresses = uint64_t{1} << 38;

bool is_valid(uint64_t entry) {
    return (entry & valid) != 0;
}

// 4.3.2: an entry with neither R nor X points to the next table.
bool is_leaf(uint64_t entry, uint32_t) {
    return (entry & (read | write | execute)) != 0;
}

bool is_of_core(uint64_t leaf) {
    return (leaf & of_core) != 0;
}

uint64_t physical_of(uint64_t entry) {
    return entry >> frame_shift << 12;
}

uint32_t rights_of(uint64_t leaf) {
    return ((leaf & read) != 0 ? HAL_MAP_READ : 0) | ((leaf & write) != 0 ? HAL_MAP_WRITE : 0) |
           ((leaf & execute) != 0 ? HAL_MAP_EXEC : 0) | ((leaf & user) != 0 ? HAL_MAP_USER : 0);
}

uint64_t table(uint64_t physical) {
    return frame(physical) | valid;
}

// What memory is like follows from where it is (3.6, physical memory attributes).
uint64_t leaf(uint64_t physical, uint32_t, uint32_t rights, bool core, Memory) {
    return frame(physical) | rights_bits(rights) | (core ? of_core : global);
}

uint64_t like(uint64_t leaf, uint64_t physical, uint32_t) {
    return frame(physical) | (leaf & flags);
}

uint64_t with_rights(uint64_t leaf, uint32_t, uint32_t rights) {
    return (leaf & ~flags) | rights_bits(rights) | (leaf & of_core);
}

// 4.2.1: an entry may be replaced in place.
void before_cut(uint64_t*, uint64_t) {}

} // namespace rumpk::hal::page_format
