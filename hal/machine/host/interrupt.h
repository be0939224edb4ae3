// SPDX-License-Identifier: Apache-2.0
// Interrupts of this machine: signals, behind a mask that is a word in memory.
//
// A signal handler does next to nothing, on a stack of its own and with every
// other signal blocked: it notes why it came. If the core is masked, that is all;
// whoever unmasks looks at the note. If not, it moves the interrupted code's
// registers to a frame on the core's interrupt stack, masks, and returns from the
// signal into the interrupt entry (entry.cpp). From there on everything is plain
// code: events may switch to another context, the frame stays where it is, and the
// return path loads it whenever the context goes on. So no signal frame outlives
// its handler, no signal stays blocked, and nothing that events do has to be
// async-signal-safe.
#ifndef RUMPK_HAL_MACHINE_HOST_INTERRUPT_H
#define RUMPK_HAL_MACHINE_HOST_INTERRUPT_H

#include "hal/machine/host/core.h"

namespace rumpk::hal {

// Handlers of the process, and the calling core's signal mask and stack.
void interrupts_install();
void interrupts_install_core();

// [any thread] Makes an interrupt of that core pending and has it taken soon. What
// the caller wrote before is visible to the event.
void interrupt_raise(Core& core, uint32_t reason);

uint64_t interrupts_mask();
void interrupts_restore(uint64_t before);
void interrupts_wait();
int64_t context_switch_unmask(struct hal_context* from, const struct hal_context* to);
void interrupt_stack(void* base, uint64_t size);

// As hal_boot.interrupt_stack_size.
uint32_t interrupt_stack_size();

// Device interrupts: there is one line, the console's.
constexpr uint32_t console_line = 1;
int device_enable(uint32_t line);
void device_done(uint32_t line);
void device_raise(); // [any thread]

} // namespace rumpk::hal

#endif
