// SPDX-License-Identifier: Apache-2.0
//
// What an architecture gives to hal/board, the flow that all boards with firmware and
// a device tree share: the same names in every folder of hal/arch, here in the order
// in which a port is best written. Functions of the HAL's table say in abi/hal.h what
// they do; docs/porting.md says which test turns green with which.
#pragma once

#include <cstdint>

#include "abi/hal.h"
#include "hal/board/clock.h"
#include "hal/board/core.h"
#include "hal/board/regions.h"
#include "hal/devicetree/machine_tree.h"

namespace rumpk::hal {

// --- 1. Facts, and the machine's end

struct ArchFacts {
    uint32_t elf_machine;   // e_machine of its cells
    int32_t frame_previous; // of backtraces, see hal_boot
    int32_t frame_return;
};
extern const ArchFacts arch_facts;

[[noreturn]] void power_off(uint32_t code);
// The end of a boot that was refused, or of a report that failed: the tree may not have been read.
// The code reaches whoever started the machine if there is any way.
[[noreturn]] void end_early(uint32_t code);
// The same by firmware alone, without a device; it returns where there is none.
void firmware_off();
// This core does nothing more.
[[noreturn]] void stop();

void console_put(uint32_t channel, const uint8_t* buffer, uint64_t size);
void console_flush();

// --- 2. Translation: page_format.h, and

// Turns the MMU on with these tables, which lie in `memory` with all else that was written while
// it was off. [boot] nullptr, or what is wrong.
const char* translation_begin(uint64_t root, AddressRange memory);
bool translation_is_on();
// Entries of [address, +size) were written: every core sees it from the return on. tables_changed:
// not only leaves were.
void translation_changed(uint64_t address, uint64_t size, bool tables_changed);
void code_written(uint64_t address, uint64_t size);

// Or, where no address is translated (memory_flat.cpp), code_written and

// nullptr, or what is wrong with this processor. [boot]
const char* protection_begin();
// From the return on every core lets programs at user privilege touch these alone: in the view of all, 0, or
// that of window `view` - 1 (translation_view), where what is in windows is not seen. False: the processor
// cannot; nothing has changed. [masked, one core at a time]
[[nodiscard]] bool protection_change(uint32_t view, const Regions& regions);

// --- 3. Traps and time

// Bytes that the HAL itself may need on an interrupt stack.
extern const uint32_t trap_stack_size;
// From now on a fault of this core ends in a report. [boot]
void trap_catch_faults();
// Lets this core's interrupts through as soon as they are unmasked. [masked]
void trap_begin();
// What start was given; NULL before.
extern const hal_events* trap_events;

void start(const hal_events* events);
uint64_t interrupts_mask();
void interrupts_restore(uint64_t before);
void interrupts_wait();
void interrupt_stack(void* stack_base, uint64_t stack_size);

// Of the timebase; written by timer_begin.
extern Clock clock;
// The clock and this machine's timer; returns the timer's name. [boot]
const char* timer_begin(const MachineTree& tree);
uint64_t now();
uint64_t ticks();
uint64_t ticks_ns(uint64_t ticks);
void timer_set(uint64_t when);

// --- 4. Contexts: switch.S has all but context_make

void context_make(hal_context* context, void* stack_base, uint64_t stack_size, void (*entry)(void*),
                  void* argument);
extern "C" {
void hal_context_switch(hal_context* from, const hal_context* to);
int64_t hal_context_switch_unmask(hal_context* from, const hal_context* to);
void hal_context_leave(const hal_context* to);
void hal_context_preempt(hal_context* from, const hal_context* to);
int64_t hal_call_on_stack(void* stack_base, uint64_t stack_size, int64_t (*function)(void*), void* argument);
}

// --- 5. User privilege: optional, and linked only into kernels that isolate what they run (user.S)

// Absent, the slot of the HAL's table is NULL.
extern "C" [[gnu::weak]] const struct hal_user hal_user_table;
// The same of views: linked into kernels for several cells (views.cpp).
extern "C" [[gnu::weak]] const struct hal_views hal_views_table;
// What selects the map with these tables while programs run. `tag`: a number that no other has, from 1 on,
// for the processor to tell what it keeps of them apart; 0: it is to forget what it kept of another. [boot]
uint64_t translation_view(uint64_t root, uint32_t tag);

// --- 6. Cores

Core& this_core();
void this_core_set(Core& core);
// Has firmware start the core in entry.S with its struct, which ends in hal_secondary_main.
// 0, -EEXIST, -EIO.
[[nodiscard]] int core_bring_up(Core& core);
void core_wake(uint32_t core);

// --- 7. Devices

// Maps and starts what the tree names. [boot] nullptr, or what is wrong.
[[nodiscard]] const char* devices_begin(const MachineTree& tree);
// The devices cannot be used, not even for a report. [any]
void devices_distrust();
// This core's part of the interrupt controller starts empty. [masked]
void device_lines_begin();
// Nanoseconds since 1970-01-01 UTC; 0: no clock chip.
uint64_t wall_clock();

// Of any device that is mapped.
uint32_t register_read(uint64_t address);
// What device trees call the serial ports that this architecture's devices.cpp drives.
extern const char* const serial_compatible;

int device_enable(uint32_t line);
void device_done(uint32_t line);
int64_t console_read(uint8_t* buffer, uint64_t size);
int64_t console_write(uint32_t channel, const uint8_t* buffer, uint64_t size);

} // namespace rumpk::hal
