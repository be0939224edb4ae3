// SPDX-License-Identifier: Apache-2.0
// How fibers begin and end.
#pragma once

#include "core/scheduler.h"
#include "core/supervisor.h"

namespace rumpk {

// Masked. Makes the context of a fiber whose stack, entry and argument are set;
// where no guard page does it, plants the canary.
void fiber_prepare(Fiber& fiber);

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
// for once it has ended its own may be another's.
template <typename End>
[[noreturn]] void leave_for_ever(End&& end) {
    (void)this_scheduler().on_kernel_stack([&]() -> int64_t {
        end();
        this_scheduler().leave();
    });
    __builtin_unreachable();
}

} // namespace rumpk
