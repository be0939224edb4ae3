// SPDX-License-Identifier: Apache-2.0
//
// What both cells of the pair know of each other: nothing but where they are.
#pragma once

#include <cstdint>

#include <nexus/call.h>

namespace pair {

constexpr uint64_t window_of_left = RUMPK_WINDOW_A;
constexpr uint64_t window_of_right = RUMPK_WINDOW_A + RUMPK_WINDOW_SIZE;

// Where there is something in each cell's window: program, stack, boot ring (abi/image.h).
constexpr uint64_t text = 0;
constexpr uint64_t stack = 0x06001000;
constexpr uint64_t ring = 0x07f00000;

// Hides from the compiler where a pointer points.
inline volatile uint64_t& hidden(uint64_t address) {
    static volatile uint64_t place;
    place = address;
    return *reinterpret_cast<volatile uint64_t*>(static_cast<uintptr_t>(place));
}
[[gnu::noinline]] inline uint64_t read_at(uint64_t address) {
    return hidden(address);
}
[[gnu::noinline]] inline void write_at(uint64_t address) {
    hidden(address) = 1;
}

} // namespace pair
