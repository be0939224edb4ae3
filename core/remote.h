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
// Sends a request and waits for what comes back. `fill(Request&)` makes it, on the
// core's kernel stack, where a small fiber has no room for one; it may come again.
// What it gives instead of success is the result, and nothing is sent.
template <typename Fill>
[[nodiscard]] int64_t ask_and_wait(Scheduler& here, CoreId to, RequestKind kind, Fill&& fill);
// Makes every core that runs fibers pass a full memory barrier.
void barrier_everywhere(Scheduler& here);

// Of a cell that has ended: when this returns no other core runs one of its fibers, or has anything to say of
// one. On the home core.
void stop_elsewhere(Scheduler& here, Cell& cell);

// Masked, on the core that owns the fiber. Ends it, and lets its home core know,
// which tells the cell and gives the slot back. If it is the running fiber the
// caller leaves it next, and is not on its stack where another core could get that.
void fiber_end(Fiber& fiber, int64_t code);
// Masked, by a fiber on its own stack. The same for itself.
[[noreturn]] void end_self(int64_t code);
// The same for one that did what it had pledged not to do, in that call.
[[noreturn]] void end_self_by_pledge(const char* call);
// As fiber_end for one whose own code faulted, and its cell with it. In the fault, away from home.
void fiber_end_by_fault(Fiber& fiber);
// The same for one that used up its budget for the last time. In the timer interrupt.
void fiber_end_by_budget(Fiber& fiber);
// Masked. Does this core run that very fiber, at this moment?
[[nodiscard]] bool owns(const Scheduler& here, const FiberName& name);
// Masked, by a fiber, on its own stack. The same, once all that is under way about it has come.
[[nodiscard]] bool running_here(Scheduler& here, const FiberName& name);

// Masked, by a fiber that is not at home: its cell ends, and so does the fiber.
[[noreturn]] void end_cell_from_here(Scheduler& here, const FiberName& self, uint64_t code);

// The message interrupt: does what other cores asked for, a few at a time.
void message_event();

// Masked. From now on every core counts the times of its fibers.
void count_time_everywhere(Scheduler& here);

// Masked. The other cores stop for ever: the machine ends.
void stop_other_cores();
// Masked. Until they have, but for one that does not take its message in time.
void wait_until_stopped();
// Masked. This core does nothing more.
[[noreturn]] void stop_here();
// Masked. Nobody need wait for this core.
void note_stopped();

// Masked, by a fiber. Other fibers of the tier run, and this core's messages come:
// two cores that wait for each other's room both get it.
void wait_for_room(Scheduler& here);

template <typename Fill>
int64_t ask_and_wait(Scheduler& here, CoreId to, RequestKind kind, Fill&& fill) {
    Fiber& self = *here.running();
    for (;;) {
        bool sent = false;
        int64_t result = here.on_kernel_stack([&]() -> int64_t {
            Request request;
            request.requester = {{&self, self.id}, here.core()};
            if (auto filled = fill(request); !filled) {
                return to_call(filled);
            }
            sent = here.mailbox().ask(to, kind, request);
            return to_call(Errno::again);
        });
        if (sent) {
            result = here.wait_for_answer();
        }
        if (result != to_call(Errno::again)) {
            return result;
        }
        wait_for_room(here);
    }
}

} // namespace rumpk
