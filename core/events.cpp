// SPDX-License-Identifier: Apache-2.0
#include "core/events.h"

#include "core/boot_cores.h"
#include "core/cell.h"
#include "core/console.h"
#include "core/devices.h"
#include "core/panic.h"
#include "core/parts.h"
#include "core/remote.h"
#include "core/supervisor.h"

namespace rumpk {

namespace {

void device_event(uint32_t line) {
    this_scheduler().count_device_event(line);
    if (parts::cells && parts::views && hear_device(line)) {
        return; // a cell's, the console's perhaps
    }
    if (line == machine().boot->console_line) {
        console().device_event();
    } else {
        machine().device_done(line); // a line nobody enabled
    }
}

// Whose code has faulted, if that is its cell's business alone; nullptr: the kernel's, or that of an image
// which ends with a fault. Where cells are not apart, only the place tells: the cell's own code, or a jump to
// nowhere.
Fiber* to_blame(const hal_fault& fault) {
    auto* const here = static_cast<Scheduler*>(machine().core_local());
    Fiber* const fiber = here != nullptr ? here->running() : nullptr;
    if (fiber == nullptr || fiber->cell == nullptr || fiber->cell->supervisor() == nullptr) {
        return nullptr;
    }
    const bool own =
        parts::cells ? fault.where == HAL_FAULT_USER
                     : fault.where == HAL_FAULT_CONTEXT &&
                           (fiber->cell->window().contains(VirtAddr{fault.pc}) || fault.pc == fault.address);
    return own ? fiber : nullptr;
}

void fault_event(const hal_fault* fault) {
    Fiber* const fiber = parts::supervisors() ? to_blame(*fault) : nullptr;
    if (fiber == nullptr) {
        panic_fault(*fault);
    }
    fiber->cell->supervisor()->end_by_fault(*fault, *fiber);
    this_scheduler().leave_fault();
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
