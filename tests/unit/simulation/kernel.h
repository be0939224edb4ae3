// SPDX-License-Identifier: Apache-2.0
// The kernel under simulation: a library of its own, so that all it keeps can be set back before each run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "abi/call.h"

namespace rumpk::simulated {

using Body = void (*)(uint64_t);

// What a seed decides of a cell.
struct CellPlan {
    Body body = nullptr;
    uint32_t cores = 64;
    uint32_t fibers = 8;
    uint32_t fiber_stack = 0; // 1024, 2048; 0: a page, guarded
    uint32_t home_tier = 2;
    uint32_t tier_ceiling = 0;
    bool restarts = false; // whenever it ends
    std::span<const rumpk_meta_budget> budgets{};
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
// An image of cells, each in the next window, whose first fibers call their body(0). The first one has the
// console and manages the others. Valid until the next.
[[nodiscard]] std::span<const std::byte> make_image(std::span<const CellPlan> plans);
// Where spawned fibers begin: inside the first cell's window, and at the same place in each other's.
[[nodiscard]] uint64_t entry_address();

} // namespace rumpk::simulated
