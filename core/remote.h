// SPDX-License-Identifier: Apache-2.0
// What fibers do to each other, on whichever core the other one is.
#pragma once

#include "core/fiber.h"
#include "core/mailbox.h"
#include "core/scheduler.h"

namespace rumpk {

// All of these: masked, by a fiber, on its own stack; where the other core has no
// room for another message just now, other fibers of this core run meanwhile.

// Latches the channels of a fiber of whatever core, if it still is the one that is meant.
void ring_anywhere(Scheduler& here, const FiberName& target, uint64_t channels);
// Sends a request and waits for what comes back.
[[nodiscard]] int64_t ask_and_wait(Scheduler& here, CoreId to, RequestKind kind, Request request);
// Makes every core that runs fibers pass a full memory barrier.
void barrier_everywhere(Scheduler& here);

// Masked, on the core that owns the fiber. Ends it, and lets its home core know,
// which tells the cell and gives the slot back. If it is the running fiber the
// caller is not on its stack, and leaves it next.
void fiber_end(Fiber& fiber, int64_t code);
// The same for one that did what it had pledged not to do, in that call.
void fiber_end_by_pledge(Fiber& fiber, const char* call);
// Masked. Does this core run that very fiber?
[[nodiscard]] bool running_here(Scheduler& here, const FiberName& name);

// Masked, by a fiber that is not at home: its cell ends, and so does the fiber.
[[noreturn]] void end_cell_from_here(Scheduler& here, const FiberName& self, uint64_t code);

// The message interrupt: does what other cores asked for, a few at a time.
void message_event();

// Masked. The other cores stop for ever: the machine ends.
void stop_other_cores();

} // namespace rumpk
