// SPDX-License-Identifier: Apache-2.0
//
// What the HAL keeps for each core. How a core finds its own is the architecture's:
// this_core in arch.h.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "abi/hal.h"
#include "hal/board/layout.h"

namespace rumpk::hal {

struct alignas(16) Core {
    // 1. Of assembly: the trap entry runs without a stack at first.
    uint64_t scratch[2];
    uint64_t interrupt_base;
    uint64_t interrupt_top;
    uint64_t emergency_top; // where faults of handlers run
    uint64_t reporting;     // not 0: from a fault until its handler returns or switches away
    uint64_t start_stack;   // top of the stack that core_start was given (entry.S)
    uint64_t call_stack;    // while code runs at user privilege: the top of the stack on which its calls do

    // 2. Written by the boot core before the core runs, constant then.
    uint64_t id;    // what firmware calls it
    uint64_t lines; // its place at the interrupt controller: as the architecture's devices.cpp says
    uint32_t index; // what core/ calls it

    // 3. Of whoever starts it. The boot core has started from the beginning.
    bool started;

    // 4. Of the core itself.
    void* local;

    // 5. Set by whoever wakes the core, cleared by the core before it looks: a message interrupt is on its
    // way.
    std::atomic<uint32_t> rung;

    // 6. Of assembly: changes of view with which what was kept of translations had to be forgotten.
    uint64_t view_flushes;
    uint64_t view; // the last that was gone to, where no register of the processor's says so
};
static_assert(offsetof(Core, scratch) == CORE_SCRATCH);
static_assert(offsetof(Core, interrupt_base) == CORE_INTERRUPT_BASE);
static_assert(offsetof(Core, interrupt_top) == CORE_INTERRUPT_TOP);
static_assert(offsetof(Core, emergency_top) == CORE_EMERGENCY_TOP);
static_assert(offsetof(Core, reporting) == CORE_REPORTING);
static_assert(offsetof(Core, start_stack) == CORE_START_STACK);
static_assert(offsetof(Core, call_stack) == CORE_CALL_STACK);
static_assert(offsetof(Core, id) == CORE_ID);
static_assert(offsetof(Core, view_flushes) == CORE_VIEW_FLUSHES);
static_assert(offsetof(Core, view) == CORE_VIEW);
static_assert(sizeof(Core) == CORE_SIZE && HAL_MAX_CORES == CORES);
static_assert(FAULT_CONTEXT == HAL_FAULT_CONTEXT && FAULT_HANDLER == HAL_FAULT_HANDLER &&
              FAULT_REPORT == HAL_FAULT_REPORT && FAULT_USER == HAL_FAULT_USER);
static_assert(sizeof(Core) % 16 == 0); // assembly may keep a pointer to one in a stack pointer

// By index. Assembly starts with cores[0]; boot moves to the right one.
extern "C" Core cores[HAL_MAX_CORES];

} // namespace rumpk::hal
