// SPDX-License-Identifier: Apache-2.0
// How fibers begin and end.
#pragma once

#include "core/cell.h"
#include "core/scheduler.h"
#include "core/supervisor.h"

namespace rumpk {

// Where a fiber's context begins, with the fiber: at kernel privilege, or apart.
void run_fiber(void* fiber);
void run_apart(void* fiber);

// Masked. Makes the context of a fiber whose stack, entry and argument are set, on the stack that the kernel
// uses: where cells are apart another than its own, with the canary at its end. Plants that, where no guard
// page is instead.
[[gnu::always_inline]] inline void make_context(Fiber& fiber, void (*begin)(void*)) {
    if (fiber.canary != nullptr) {
        *fiber.canary = stack_canary;
    }
    void* const base = parts::cells ? fiber.canary : fiber.stack.pointer();
    const uint64_t size = parts::cells ? Cell::call_stack_size : fiber.stack.size;
    machine().context_make(&fiber.context, base, size, begin, &fiber);
}
// The same, for those who are in no hurry.
void fiber_prepare(Fiber& fiber, void (*begin)(void*) = parts::cells ? run_apart : run_fiber);

// Masked, on the home core. A control block that was taken, and has the stack, rings and budget that were
// asked for, becomes the fiber, whose id it returns.
[[gnu::always_inline]] inline FiberId fiber_make(Fiber& fiber, const rumpk_spawn_args& args,
                                                 FiberId spawner) {
    fiber.begin_anew();
    fiber.tier = static_cast<Tier>(args.tier);
    fiber.spawner = spawner;
    fiber.entry = reinterpret_cast<rumpk_entry>(static_cast<uintptr_t>(args.entry));
    fiber.argument = args.argument;
    __builtin_memcpy(fiber.name, args.name, sizeof fiber.name);
    make_context(fiber, parts::cells ? run_apart : run_fiber);
    const FiberId id = fiber.next_id;
    Cell::name_fiber(fiber);
    return id;
}

// Masked, on its core. A fiber that waits does so no more: it ends by itself as soon as it is given the core,
// unless somebody ends it before.
void fiber_condemn(Scheduler& here, Fiber& fiber, int64_t code);

// Masked, on the home core. The cell ends by itself. None of its fibers runs any more; it begins anew, or
// with it the machine ends.
void cell_end(Cell& cell, int64_t code);
// The same of one with a supervisor, not by itself. `core`: as Supervisor::ended.
void cell_end(Cell& cell, CellEnd how, CoreId core);

// Masked, on the home core. The machine ends when all output is out. The cells' fibers are given no core any
// more, but for the first one of the console's driver.
void machine_end(uint8_t status);
// The same, once, with a cell's own code.
void machine_end_of(const Cell& cell, int64_t code);

// Masked, on the home core. Which fiber ends, and for what.
void say_broken_pledge(const Fiber& fiber, const char* call);
void say_overrun(const Fiber& fiber);

// Masked, by the running fiber. `end` ends it, and runs on the core's kernel stack,
// for once it has ended its own may be another's. What is pending is taken before the core goes on: an
// interrupt that comes there does not come back, and no event needs that stack.
template <typename End>
[[noreturn]] void leave_for_ever(End&& end) {
    (void)this_scheduler().on_kernel_stack([&]() -> int64_t {
        end();
        machine().interrupts_restore(1);
        (void)machine().interrupts_mask();
        this_scheduler().leave();
    });
    __builtin_unreachable();
}

} // namespace rumpk
