// SPDX-License-Identifier: Apache-2.0
// What a scheduler does for fibers with budgets and for cells that end. Apart from the rest because
// it is seldom run and need not be fast: no image comes here that has neither.
#include "core/cell.h"
#include "core/heartbeat.h"
#include "core/remote.h"
#include "core/scheduler.h"

#include <utility>

namespace rumpk {

// The running fiber gives the core up in a call, and has its next place in the queue
// or waits. Nothing of it lies on its tier's interrupt stack, as it would if it were
// interrupted: here it may leave the tier.
void Scheduler::demote_if_due(Fiber& fiber) {
    if (fiber.account() == 0 || !budget_of(fiber).take_demotion()) {
        return;
    }
    const bool ready = fiber.state == FiberState::ready;
    if (ready) {
        ready_.remove(fiber.run, fiber.tier);
    }
    const bool timed = fiber.deadline.pending();
    Instant deadline{};
    if (timed) {
        deadline = deadlines_of(fiber).when(fiber.deadline);
        deadlines_of(fiber).cancel(fiber.deadline);
    }
    const auto lower = static_cast<Tier>(static_cast<uint8_t>(fiber.tier) + 1);
    std::atomic_ref(fiber.tier).store(lower, std::memory_order_relaxed); // meta may read it elsewhere
    if (timed) {
        deadlines_of(fiber).insert(fiber.deadline, deadline);
        program_timer();
    }
    if (ready) {
        make_ready(fiber);
    }
}

// nullptr: nobody is given the core.
void Scheduler::start_budget(const Fiber* fiber) {
    if (fiber != nullptr && fiber->account() != 0) {
        deadlines_with_budget().insert(budget_end_, budget_of(*fiber).start(Instant{machine().now()}));
        program_timer();
    }
}

void Scheduler::stop_budget(const Fiber& fiber) {
    if (budget_end_.pending()) {
        deadlines_with_budget().cancel(budget_end_);
        program_timer();
        budget_of(fiber).stop(Instant{machine().now()});
    }
}

void Scheduler::watch_at(Instant moment) {
    if (watch_.pending()) {
        deadlines_.front().cancel(watch_);
    }
    if (moment != Instant::never()) {
        deadlines_.front().insert(watch_, moment);
    }
    program_timer();
}

AddressRange Scheduler::keep_interrupt_stack(AddressRange spare) {
    std::swap(spare, interrupts_[static_cast<size_t>(interrupts_of_)]);
    interrupts_of_ = untold; // to be told to the HAL before anybody runs, or the core idles
    return spare;
}

void Scheduler::leave_fault() {
    attend_no_more(Attention::forgotten);
    attend(Attention::higher);
    timer_stale_ = true;
    since_ = machine().ticks();
    note(RUMPK_TRACE_SWITCH, nullptr, static_cast<uint32_t>(Why::ended));
    set_interrupt_stack();
    machine().context_preempt(&nobodys_, &idle_);
    __builtin_trap(); // nobody gives it the core
}

// Whose turn it is may be of a cell that has ended. Then the idle context is given the core: it takes what is
// pending, takes that one out, sets the timer and chooses anew, for `previous` has been masked for long.
// Nothing comes back to what of such a fiber lies on its tier's interrupt stack.
void Scheduler::pass_over_dead(const Fiber* previous) {
    Fiber* const fiber = running();
    if (fiber == nullptr || fiber->cell == nullptr || !fiber->cell->stopping()) {
        return;
    }
    ready_.deselect();
    attend(Attention::higher);
    if (previous == nullptr) {
        forget(*fiber);
    } else {
        attend(Attention::again);
    }
}

void Scheduler::own_event(const DeadlineNode& node, Instant at) {
    if (parts::budgets && &node == &budget_end_) {
        budget_event();
    } else if (parts::restart) {
        look_after_cells(at);
    }
}

// In the timer interrupt. An overrun does not end the fiber's turn, unless it ends the
// fiber: others of its tier count on that turn (K6).
void Scheduler::budget_event() {
    Fiber& fiber = *running();
    Budget& budget = budget_of(fiber);
    if (budget.overrun(Instant{machine().now()}) && budget.strikes() == Budget::last_strike) {
        fiber_end_by_budget(fiber);
    } else {
        start_budget(&fiber);
    }
}

} // namespace rumpk
