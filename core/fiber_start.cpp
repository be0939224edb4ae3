// SPDX-License-Identifier: Apache-2.0
#include "core/fiber_start.h"

#include "core/cell.h"
#include "core/console.h"
#include "core/log.h"
#include "core/scheduler.h"

namespace rumpk {

namespace {

// A new context begins here, masked, on the fiber's own stack.
void run_fiber(void* argument) {
    Fiber& self = *static_cast<Fiber*>(argument);
    const rumpk_entry entry = self.entry;
    const uint64_t value = self.argument;
    machine().interrupts_restore(1);
    entry(value);
    (void)machine().interrupts_mask();
    fiber_end(self, 0);
    this_scheduler().leave();
}

// The code that the shell sees: an application's own codes end at 123.
uint8_t exit_status(const Cell& cell, int64_t code) {
    if (code >= 0 && code <= RUMPK_EXIT_MAX) {
        return static_cast<uint8_t>(code);
    }
    KernelLine line;
    print(line.text("cell ")
              .text(cell.name())
              .text(" ended with ")
              .decimal_signed(code)
              .text(", shown as 123"));
    return RUMPK_EXIT_MAX;
}

} // namespace

void fiber_prepare(Fiber& fiber) {
    if (fiber.canary != nullptr) {
        *fiber.canary = stack_canary;
    }
    machine().context_make(&fiber.context, fiber.stack.pointer(), fiber.stack.size, run_fiber, &fiber);
}

void fiber_end(Fiber& fiber, int64_t code) {
    Cell& cell = *fiber.cell;
    if (&fiber != this_scheduler().running()) {
        this_scheduler().remove(fiber);
    }
    cell.post_fiber_end(fiber.id, code);
    cell.give_fiber(fiber);
    if (cell.live_fibers() == 0) {
        cell_end(cell, code);
    }
}

void cell_end(Cell& cell, int64_t code) {
    Fiber* const self = this_scheduler().running();
    for (Fiber& fiber : cell.fibers()) {
        if (fiber.state == FiberState::free) {
            continue;
        }
        if (&fiber != self) {
            this_scheduler().remove(fiber);
        }
        cell.give_fiber(fiber);
    }
    console().finish(exit_status(cell, code));
}

} // namespace rumpk
