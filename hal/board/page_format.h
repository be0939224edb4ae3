// SPDX-License-Identifier: Apache-2.0
//
// Entries of page tables, as an architecture writes them (page_format.cpp in its
// folder). Tables have three levels of 512 entries; level 0 is that of the 4 KiB
// pages, level 1 that of 2 MiB, level 2 of 1 GiB. A leaf maps a frame, another
// valid entry points to a table; an entry that is not valid is 0 or being_cut.
#pragma once

#include <cstdint>

#include "abi/hal.h"

namespace rumpk::hal::page_format {

// Lowest address above those that are translated.
extern const uint64_t end_of_addresses;

// All that a mapping may have: HAL_MAP_*.
extern const uint32_t known_rights;

bool is_valid(uint64_t entry);
bool is_leaf(uint64_t entry, uint32_t level);
bool is_of_core(uint64_t leaf);
uint64_t physical_of(uint64_t entry);
// HAL_MAP_*, as they are in effect. For tests and reports.
uint32_t rights_of(uint64_t leaf);

uint64_t table(uint64_t physical);
// What memory is like: registers of devices are neither cached nor read ahead.
enum class Memory : uint8_t { normal, device };
uint64_t leaf(uint64_t physical, uint32_t level, uint32_t rights, bool core, Memory memory);
// A leaf with the same rights and memory for another frame, of another size perhaps.
uint64_t like(uint64_t leaf, uint64_t physical, uint32_t level);
// The same frame and memory, other rights.
uint64_t with_rights(uint64_t leaf, uint32_t level, uint32_t rights);
// An entry that is not valid for the moment. Nobody else's is so.
constexpr uint64_t being_cut = uint64_t{1} << 56;
// A leaf is about to become a table that maps the same: what has to happen to the entry in between.
// It may be left as being_cut. [masked]
void before_cut(uint64_t* entry, uint64_t address);

} // namespace rumpk::hal::page_format
