// SPDX-License-Identifier: Apache-2.0
//
// Interrupts, faults and the timer. See abi/hal.h for the table's functions.
#pragma once

#include <cstdint>

#include "abi/hal.h"

namespace rumpk::hal {

// Bytes that the HAL itself may need on an interrupt stack.
extern const uint32_t trap_stack_size;

// From now on a fault of this core ends in a report. [boot]
void trap_catch_faults();
// The clock's rate, and whether the timer is the core's own (Sstc) or firmware's. [boot]
void timer_begin(uint64_t frequency, bool sstc);
// Lets this core's interrupts through as soon as they are unmasked. [masked]
void trap_begin();
const hal_events& trap_events();

void start(const hal_events* events);
uint64_t interrupts_mask();
void interrupts_restore(uint64_t before);
void interrupts_wait();
void interrupt_stack(void* stack_base, uint64_t stack_size);
uint64_t now();
void timer_set(uint64_t when);

} // namespace rumpk::hal
