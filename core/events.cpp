// SPDX-License-Identifier: Apache-2.0
#include "core/events.h"

#include "core/boot_cores.h"
#include "core/console.h"
#include "core/panic.h"
#include "core/parts.h"
#include "core/remote.h"

namespace rumpk {

namespace {

void device_event(uint32_t line) {
    this_scheduler().count_device_event(line);
    if (line == machine().boot->console_line) {
        console().device_event();
    } else {
        machine().device_done(line); // a line nobody enabled
    }
}

// What a program does at its own privilege is its cell's business alone.
void fault_event(const hal_fault* fault) {
    if (!parts::cells || fault->where != HAL_FAULT_USER) {
        panic_fault(*fault);
    }
    Scheduler& here = this_scheduler();
    Fiber& fiber = *here.running();
    report_fault(*fault, fiber);
    fiber_end_by_fault(fiber);
    here.interrupt_exit(); // leaves: the fiber has ended
}

} // namespace

constexpr hal_events events_of_core{
    .timer = [] { this_scheduler().timer_event(); },
    .device = device_event,
    .message = message_event,
    .interrupt_exit = [] { this_scheduler().interrupt_exit(); },
    .fault = fault_event,
    .core_start = run_core,
};

void run_console(void*) {
    machine().interrupts_restore(1);
    console().run();
}

} // namespace rumpk
