// SPDX-License-Identifier: Apache-2.0
#include "core/fiber_start.h"

#include "abi/console.h"
#include "core/calls.h"
#include "core/cell.h"
#include "core/console.h"
#include "core/log.h"
#include "core/remote.h"
#include "core/supervisor.h"

namespace rumpk {

// The end of a fiber that is not as easy as most.
[[gnu::noinline]] static void end_attended(Scheduler& here, Fiber& self) {
    const Cell& cell = *self.cell;
    if (!cell.at_home() || cell.live_fibers() == 1) {
        end_self(0);
    }
    fiber_end(self, 0);
    machine().interrupts_restore(1); // an interrupt that comes here does not come back
    (void)machine().interrupts_mask();
    here.leave();
}
// Somebody wants to know of it.
[[gnu::noinline]] static void end_noted(Scheduler& here, Fiber& self, Fiber& next) {
    self.cell->fiber_ended(self, 0);
    here.go_on_with(next);
}

// The running fiber has returned; this never does. Masked, on its stack, all of which is free again: at home
// nobody but this core gives it to another. Calls nothing that comes back, and so needs no frame.
[[gnu::noinline]] static void end_returned() {
    Scheduler& here = this_scheduler();
    Fiber& self = *here.running();
    Cell& cell = *self.cell;
    Fiber* const next = cell.at_home() && cell.live_fibers() != 1 ? here.step_aside() : nullptr;
    if (next == nullptr) [[unlikely]] {
        return end_attended(here, self);
    }
    self.owned = false;
    if (!cell.ends_quietly(self)) [[unlikely]] {
        return end_noted(here, self, *next);
    }
    cell.give_usual(self);
    here.go_on_with(*next);
}

// A new context begins here, masked, on the fiber's own stack.
void run_fiber(void* argument) {
    const Fiber& self = *static_cast<Fiber*>(argument);
    const rumpk_entry entry = self.entry;
    const uint64_t value = self.argument;
    machine().interrupts_restore(1);
    entry(value);
    (void)machine().interrupts_mask();
    end_returned();
    __builtin_unreachable();
}

static void run_condemned(void* argument) {
    breathe(); // the switch to here has been masked
    end_self(static_cast<int64_t>(static_cast<const Fiber*>(argument)->argument));
}

// The same at user privilege. The context is the kernel's own, on the fiber's stack for calls.
void run_apart(void* argument) {
    breathe(); // the switch to here has been masked
    const Fiber& self = *static_cast<Fiber*>(argument);
    const Cell& cell = *self.cell;
    const uint32_t slot = cell.slot_of(self);
    const bool guarded =
        self.stack.base == cell.pooled_stack(slot).base && (slot == 0 || cell.stacks_guarded());
    machine().user->enter(reinterpret_cast<uintptr_t>(self.entry), self.argument, self.stack.end().value(),
                          cell.call_stack(slot).end().value(),
                          guarded ? self.stack.base.value() - HAL_PAGE_SIZE : 0, cell.view());
}

namespace {

// The code that the shell sees: an application's own codes end at 123.
uint8_t exit_status(const Cell& cell, int64_t code) {
    if (code >= 0 && code <= RUMPK_EXIT_MAX) {
        return static_cast<uint8_t>(code);
    }
    print("cell %.*s ended with %ld, shown as 123", RUMPK_TEXT(cell.name()), code);
    return RUMPK_EXIT_MAX;
}

} // namespace

[[gnu::noinline]] void fiber_prepare(Fiber& fiber, void (*begin)(void*)) {
    make_context(fiber, begin);
}

void fiber_condemn(Scheduler& here, Fiber& fiber, int64_t code) {
    fiber.entry = nullptr;
    fiber.argument = static_cast<uint64_t>(code);
    fiber_prepare(fiber, run_condemned);
    here.end_wait(fiber);
}

void machine_end(uint8_t status) {
    stop_other_cores();
    Fiber* const driver = parts::views ? console().port().last_driver() : nullptr;
    this_scheduler().run_only(console().fiber(), driver);
    console().finish(status);
    if (parts::views && driver == nullptr) {
        console().lose_driver();
    }
}

void machine_end_of(const Cell& cell, int64_t code) {
    if (!console().finishing()) { // the first end is the one that counts
        machine_end(exit_status(cell, code));
    }
}

void cell_end(Cell& cell, int64_t code) {
    Supervisor* const supervisor = cell.supervisor();
    const bool ends_image = supervisor == nullptr || (!supervisor->restarts_always() && !cell.ends_alone());
    if (supervisor != nullptr && supervisor->ending()) {
        return; // it has ended already
    }
    if (ends_image || console().finishing()) {
        machine_end_of(cell, code);
    } else {
        supervisor->ended(CellEnd::by_itself, cell.home_core(), code);
    }
}

void cell_end(Cell& cell, CellEnd how, CoreId core) {
    if (Supervisor* const supervisor = cell.supervisor(); supervisor != nullptr && !console().finishing()) {
        supervisor->ended(how, core);
    }
}

void say_broken_pledge(const Fiber& fiber, const char* call) {
    print("cell %.*s: fiber %.*s broke its pledge with %s; the fiber ends", RUMPK_TEXT(fiber.cell->name()),
          RUMPK_TEXT(fiber_name(fiber)), call);
}

void say_overrun(const Fiber& fiber) {
    const rumpk_meta_budget& budget = fiber.cell->budgets.all()[budget_of(fiber).index()];
    print("cell %.*s: fiber %.*s used up three times its budget %s, %lu us; the fiber ends",
          RUMPK_TEXT(fiber.cell->name()), RUMPK_TEXT(fiber_name(fiber)),
          reinterpret_cast<const char*>(budget.name), uint64_t{budget.run_us});
}

} // namespace rumpk
