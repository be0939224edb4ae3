// SPDX-License-Identifier: Apache-2.0
// The frames and addresses with which the tests of memory play: cell windows.
#ifndef RUMPK_TESTS_CONTRACT_PLACES_H
#define RUMPK_TESTS_CONTRACT_PLACES_H

#include "tests/contract/contract.h"

namespace contract {

constexpr uint64_t page = HAL_PAGE_SIZE;

// Frames of the free block, by number.
constexpr uint64_t frame_data = 16; // three of them
constexpr uint64_t frame_code = 24;
constexpr uint64_t frame_user_code = 26;
constexpr uint64_t frame_user_data = 27;
constexpr uint64_t frame_user_other = 28;
constexpr uint64_t frame_large = 32;
constexpr uint64_t large_pages = 1536; // 6 MiB

inline uint64_t frame(uint64_t number) {
    return machine->boot->memory_base + number * page;
}
inline volatile uint64_t* frame_touch(uint64_t number) {
    return reinterpret_cast<volatile uint64_t*>(frame(number) + machine->boot->direct_map);
}
inline uint64_t page_of(uint64_t address) {
    return address & ~(page - 1);
}

// Where nothing is translated, places are memory themselves.
constexpr bool flat = RUMPK_WINDOWS_ARE_MEMORY != 0;
inline uint64_t frame_at(uint64_t place, uint64_t number) {
    return flat ? place : frame(number);
}
inline volatile uint64_t* touch_at(uint64_t place, uint64_t number) {
    return reinterpret_cast<volatile uint64_t*>(frame_at(place, number) + machine->boot->direct_map);
}

constexpr uint64_t place_data = RUMPK_WINDOW_A + 0x10000;            // frame_data and the next, RW
constexpr uint64_t place_alias = RUMPK_WINDOW_A + RUMPK_WINDOW_SIZE; // frame_data, RW
constexpr uint64_t place_read = RUMPK_WINDOW_A + 0x20000;            // frame_data, R
constexpr uint64_t place_code = RUMPK_WINDOW_A + 0x30000;            // frame_code, RX
constexpr uint64_t place_code_data = RUMPK_WINDOW_A + 0x40000;       // frame_code, RW
constexpr uint64_t place_gone = RUMPK_WINDOW_A + 0x50000;            // frame_data, RW, until it is unmapped
constexpr uint64_t place_free = RUMPK_WINDOW_A + 0x60000;            // nothing, ever
constexpr uint64_t place_user_code = RUMPK_WINDOW_A + 0x70000;       // frame_user_code, RX at user privilege
constexpr uint64_t place_user_data = RUMPK_WINDOW_A + 0x80000;       // frame_user_data, RW at user privilege
constexpr uint64_t place_user_other = RUMPK_WINDOW_A + 0x90000;      // frame_user_other, as user.cpp likes it
constexpr uint64_t place_large = RUMPK_WINDOW_A + 0x1ff000;          // not at a 2 MiB boundary

} // namespace contract

#endif
