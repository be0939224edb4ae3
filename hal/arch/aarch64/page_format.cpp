// SPDX-License-Identifier: Apache-2.0
//
// VMSAv8-64 (Arm ARM, DDI 0487, D8.3): stage 1 of EL1 and EL0, granule 4 KiB, addresses of 39
// bits. Levels count here from the pages up: level 0 is the architecture's 3.
#include "hal/board/page_format.h"

namespace rumpk::hal::page_format {

namespace {

// D8.3.1, D8.3.2
constexpr uint64_t valid = 1 << 0;
constexpr uint64_t table_or_page = 1 << 1; // clear: a block
constexpr uint64_t device = 1 << 2;        // AttrIndx 1 of MAIR_EL1 (translation.cpp); normal memory is 0
constexpr uint64_t user = 1 << 6;          // AP[1]: EL0 may do what AP[2] lets EL1 do
constexpr uint64_t read_only = 1 << 7;     // AP[2]
constexpr uint64_t inner_shareable = 3 << 8;
constexpr uint64_t accessed = 1 << 10;
constexpr uint64_t not_global = 1 << 11; // of its view's ASID alone
constexpr uint64_t privileged_never = uint64_t{1} << 53;
constexpr uint64_t user_never = uint64_t{1} << 54;
constexpr uint64_t of_core = uint64_t{1} << 55; // free for software
constexpr uint64_t frame_mask = 0x0000'ffff'ffff'f000;

// Executed at one privilege or at none: the kernel does not run what a program may run, or the reverse.
uint64_t rights_bits(uint32_t rights) {
    const bool runs = (rights & HAL_MAP_EXEC) != 0;
    const bool is_user = (rights & HAL_MAP_USER) != 0;
    return ((rights & HAL_MAP_WRITE) == 0 ? read_only : 0) | (is_user ? user : 0) |
           (runs && !is_user ? 0 : privileged_never) | (runs && is_user ? 0 : user_never);
}

constexpr uint64_t rights_mask = read_only | user | privileged_never | user_never;

} // namespace

constinit const uint32_t known_rights = HAL_MAP_READ | HAL_MAP_WRITE | HAL_MAP_EXEC | HAL_MAP_USER;

constinit const uint64_t end_of_addresses = uint64_t{1} << 39;

bool is_valid(uint64_t entry) {
    return (entry & valid) != 0;
}

bool is_leaf(uint64_t entry, uint32_t level) {
    return level == 0 || (entry & table_or_page) == 0;
}

bool is_of_core(uint64_t leaf) {
    return (leaf & of_core) != 0;
}

uint64_t physical_of(uint64_t entry) {
    return entry & frame_mask;
}

// Whatever may be done with memory, it may be read.
uint32_t rights_of(uint64_t leaf) {
    constexpr uint64_t never = privileged_never | user_never;
    return HAL_MAP_READ | ((leaf & read_only) == 0 ? HAL_MAP_WRITE : 0) |
           ((leaf & never) != never ? HAL_MAP_EXEC : 0) | ((leaf & user) != 0 ? HAL_MAP_USER : 0);
}

uint64_t table(uint64_t physical) {
    return physical | table_or_page | valid;
}

uint64_t leaf(uint64_t physical, uint32_t level, uint32_t rights, bool core, Memory memory) {
    return physical | valid | (level == 0 ? table_or_page : 0) | (memory == Memory::device ? device : 0) |
           rights_bits(rights) | inner_shareable | accessed | (core ? of_core | not_global : 0);
}

uint64_t like(uint64_t leaf, uint64_t physical, uint32_t level) {
    return physical | (leaf & ~(frame_mask | table_or_page)) | (level == 0 ? table_or_page : 0);
}

uint64_t with_rights(uint64_t leaf, uint32_t, uint32_t rights) {
    return (leaf & ~rights_mask) | rights_bits(rights);
}

} // namespace rumpk::hal::page_format
