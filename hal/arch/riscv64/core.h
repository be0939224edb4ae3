// SPDX-License-Identifier: Apache-2.0
//
// What the HAL keeps for each core. sscratch holds its address whenever compiled
// code runs: tp belongs to the fibers and gp to nobody.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/hal.h"
#include "hal/arch/riscv64/layout.h"

namespace rumpk::hal {

struct Core {
    // 1. Of assembly: the trap entry runs without a stack at first.
    uint64_t trap_sp; // scratch
    uint64_t trap_t1; // scratch
    uint64_t interrupt_base;
    uint64_t interrupt_top;
    uint64_t emergency_top; // where faults of handlers run
    uint64_t reporting;     // not 0: from a fault until its handler returns or switches away
    uint64_t start_stack;   // top of the stack that core_start was given (entry.S)

    // 2. Written by the boot core before the core runs, constant then.
    uint64_t hart;         // what SBI calls it
    uint32_t index;        // what core/ calls it
    uint32_t plic_context; // its supervisor context

    // 3. Of the core itself.
    void* local;

    // 4. Of whoever starts it. The boot core has started from the beginning.
    bool started;
};
static_assert(offsetof(Core, trap_sp) == CORE_TRAP_SP);
static_assert(offsetof(Core, trap_t1) == CORE_TRAP_T1);
static_assert(offsetof(Core, interrupt_base) == CORE_INTERRUPT_BASE);
static_assert(offsetof(Core, interrupt_top) == CORE_INTERRUPT_TOP);
static_assert(offsetof(Core, emergency_top) == CORE_EMERGENCY_TOP);
static_assert(offsetof(Core, reporting) == CORE_REPORTING);
static_assert(offsetof(Core, start_stack) == CORE_START_STACK);

// By index. Assembly starts with cores[0]; boot moves to the right one.
extern "C" Core cores[HAL_MAX_CORES];

inline Core& this_core() {
    Core* core;
    asm("csrr %0, sscratch" : "=r"(core));
    return *core;
}

} // namespace rumpk::hal
