// SPDX-License-Identifier: Apache-2.0
// The kernel under simulation: a library of its own, so that all it keeps can be set back before each run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace rumpk::simulated {

// What a seed decides of the cell.
struct CellPlan {
    uint32_t fibers = 8;
    uint32_t fiber_stack = 0; // 1024, 2048; 0: a page, guarded
    uint32_t home_tier = 2;
    uint32_t tier_ceiling = 0;
    bool restarts = false; // whenever it ends
};

inline constexpr uint64_t map_pages = 8;         // what the cell may map
inline constexpr uint64_t program_size = 0x2000; // from the window's start; behind it the heap

// Variables of the kernel have the values that they had when the program began.
void set_kernel_back();
// Where they lie; both 0 before.
struct Variables {
    uintptr_t base = 0;
    size_t size = 0;
};
extern Variables kernel_variables;
// An image with one cell, whose first fiber calls body(0). Valid until the next.
[[nodiscard]] std::span<const std::byte> make_image(const CellPlan& plan, void (*body)(uint64_t));
// Where spawned fibers begin: inside the cell's window.
[[nodiscard]] uint64_t entry_address();

} // namespace rumpk::simulated
