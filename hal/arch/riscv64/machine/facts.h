// SPDX-License-Identifier: Apache-2.0
//
// What a machine folder tells of a board on which the kernel runs in machine mode, beside
// hal/board/machine_facts.h: what is needed before the device tree has been read.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hal/arch/riscv64/layout.h"

namespace rumpk::hal {

struct MachineModeFacts {
    uint64_t clint;  // physical address of the core-local interruptor's registers
    uint64_t serial; // of a port that takes bytes at its first register (16550)
};
static_assert(offsetof(MachineModeFacts, clint) == FACTS_CLINT);
static_assert(offsetof(MachineModeFacts, serial) == FACTS_SERIAL);

extern "C" const MachineModeFacts machine_mode_facts;

} // namespace rumpk::hal
