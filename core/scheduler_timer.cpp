// SPDX-License-Identifier: Apache-2.0
//
// A scheduler's deadlines: what the timer is set to, and what its interrupt does.
#include <algorithm>

#include "core/scheduler.h"

namespace rumpk {

namespace {

Fiber& fiber_of(DeadlineNode& node) {
    return *reinterpret_cast<Fiber*>(reinterpret_cast<std::byte*>(&node) - offsetof(Fiber, deadline));
}

} // namespace

// Deadlines of a lower tier than the current one's wait until the core comes to them: to
// ready a fiber of that tier changes nothing before.
inline std::span<DeadlineQueue> Scheduler::deadlines_that_matter() {
    return std::span(deadlines_).first(std::min(static_cast<uint32_t>(ready_.current()) + 1, tier_count));
}

// The compare register holds the earliest deadline that matters, or nothing (K5): an
// idle core without deadlines takes no timer interrupt. To be called wherever the
// current tier or such a deadline changes; one that has passed interrupts at once.
void Scheduler::program_timer() {
    if (attends(Attention::forgotten) || attends(Attention::again)) [[unlikely]] {
        timer_stale_ = true; // for which tiers it is to be set is known when the core goes on, at once
        return;
    }
    timer_stale_ = false;
    Instant next = Instant::never();
    for (const DeadlineQueue& queue : deadlines_that_matter()) {
        next = std::min(next, queue.next());
    }
    if (next != programmed_) {
        programmed_ = next;
        machine().timer_set(next.nanoseconds());
    }
}

void Scheduler::timer_event() {
    ++statistics_.timer_interrupts;
    const Instant at{machine().now()};
    // The interrupt that follows a closing step was set to come at once: no moment was missed.
    const Instant wanted = programmed_ == Instant{} ? at : programmed_;
    note(RUMPK_TRACE_INTERRUPT, nullptr, RUMPK_TRACE_TIMER, (at - wanted).value() / RUMPK_TRACE_UNIT);
    programmed_ = Instant::never(); // the timer is one-shot: it disarmed itself
    if (!serve_deadlines(at)) {
        programmed_ = Instant{};
        machine().timer_set(programmed_.nanoseconds());
    } else if (attends(Attention::higher) && !attends(Attention::forgotten)) {
        timer_stale_ = true; // a higher tier comes now
    } else {
        program_timer();
    }
}

// Serves one fiber of the highest tier that has a deadline due. False: what is to be done first took as long;
// the next interrupt serves.
inline bool Scheduler::serve_deadlines(Instant at) {
    for (DeadlineQueue& queue : deadlines_that_matter()) {
        if (queue.next() > at) {
            continue;
        }
        if (queue.wants_closing()) {
            if (attends(Attention::higher) || attends(Attention::forgotten)) {
                return true; // a switch is due as well: first that
            }
            queue.close_gap();
            return false;
        }
        DeadlineNode& node = *queue.pop_due(at);
        if (is_own(node)) [[unlikely]] {
            own_event(node, at); // may end who runs
        } else {
            Fiber& fiber = fiber_of(node);
            count_wake(fiber, RUMPK_TRACE_BY_DEADLINE);
            make_ready(fiber);
        }
        return true;
    }
    ++statistics_.timer_empty;
    return true;
}

void Scheduler::cancel_deadline(Fiber& fiber) {
    DeadlineQueue& queue = deadlines_of(fiber);
    const Instant earliest = queue.next();
    queue.cancel(fiber.deadline);
    if (queue.next() != earliest) {
        program_timer();
    }
}

} // namespace rumpk
