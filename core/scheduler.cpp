// SPDX-License-Identifier: Apache-2.0
#include "core/scheduler.h"

#include <algorithm>
#include <utility>

#include "core/panic.h"

namespace rumpk {

namespace {

Instant now() {
    return Instant{machine().now()};
}

} // namespace

void Scheduler::prepare(CoreId core, std::span<const AddressRange, interrupt_stacks> interrupts,
                        AddressRange calls, std::span<DeadlineStorage::Block> deadlines,
                        std::span<DeadlineStorage::Block*> deadline_pointers) {
    core_ = core;
    deadline_storage_.prepare(deadlines, deadline_pointers);
    for (DeadlineQueue& queue : deadlines_) {
        queue.prepare(deadline_storage_);
    }
    std::ranges::copy(interrupts, interrupts_.begin());
    calls_ = calls;
    mailbox_.prepare(core);
}

void Scheduler::enter() {
    since_ = machine().ticks();
    machine().core_local_set(this);
    set_interrupt_stack();
}

// That of the current tier: where the next interrupt runs.
void Scheduler::set_interrupt_stack() {
    interrupts_of_ = ready_.current();
    const AddressRange stack = interrupts_[static_cast<size_t>(interrupts_of_)];
    machine().interrupt_stack(stack.pointer(), stack.size);
}

// The current tier may be another one: so are the stack for interrupts and the deadlines that matter.
inline void Scheduler::follow_tier() {
    if (ready_.current() != interrupts_of_) {
        set_interrupt_stack();
        program_timer();
    } else if (timer_stale_) [[unlikely]] {
        program_timer();
    }
}

// The idle context. It waits only while nothing is ready: whatever readies a
// fiber on this core is an interrupt, and an interrupt switches away when it
// returns. There is no window in which a wake-up could be lost: interrupts stay
// masked from the decision to wait (in attend_to or here) up to the wait
// itself, and interrupts_wait ends at once if one came pending in between.
void Scheduler::run() {
    attend_to(nullptr, Why::waits, machine().context_switch);
    for (;;) {
        machine().interrupts_restore(1); // what ended the wait, or has come pending, is taken here
        (void)machine().interrupts_mask();
        if (parts::supervisors() && attends(Attention::higher)) { // after pass_over_dead()
            attend_to(nullptr, Why::waits, machine().context_switch);
        } else {
            machine().interrupts_wait();
        }
    }
}

[[noreturn, gnu::noinline]] static void say_overflow(const Fiber& fiber) {
    panic_fiber(fiber, "stack overflow: the canary at the low end of the stack is gone");
}

inline void Scheduler::check_canary(const Fiber& fiber) const {
    if (fiber.overflowed()) [[unlikely]] {
        say_overflow(fiber);
    }
}

// Returns how long the stretch before was, in ticks.
inline uint64_t Scheduler::begin_stretch(uint64_t at) {
    const uint64_t before = since_;
    since_ = at;
    return at - before;
}

constexpr auto counting = static_cast<uint32_t>(Attention::counting);

// The core goes from one to another, and times are counted.
inline void Scheduler::charge(Fiber& previous, Fiber& next) {
    const uint64_t at = machine().ticks();
    previous.run_ticks.add(begin_stretch(at));
    timed_ = &next;
    if (next.ready_since != 0) [[unlikely]] {
        next.end_wake(at);
    }
}

void Scheduler::count_time() {
    if (!counts_time()) {
        since_ = machine().ticks();
        timed_ = running();
        counts_since_ = now();
        attend(Attention::counting);
    }
}

Nanoseconds Scheduler::run_time(const Fiber& fiber) const {
    // Its core may switch meanwhile: it writes since_, run_ticks, timed_, and is read the other way round. If
    // since_ has not moved, run_ticks is still without what has passed since then.
    const bool runs = &fiber == timed_ && counts_since() != Instant{};
    const uint64_t since = since_;
    uint64_t ticks = fiber.run_ticks;
    const uint64_t at = machine().ticks();
    if (runs && at > since && since == since_) {
        ticks += at - since;
    }
    return Nanoseconds{machine().ticks_ns(ticks)};
}

// After the queue has changed: the core goes from `previous`, which ran until now, to
// the queue's first. Returns when `previous` is given the core again.
inline void Scheduler::hand_over(Fiber& previous, Why why, Switch how) {
    check_canary(previous);
    Fiber* const next = running();
    if ((attention_ & ~counting) != 0 || next == nullptr) [[unlikely]] {
        attend_to(&previous, why, how);
    } else if (next != &previous) {
        if (attention_ != 0) {
            [[clang::noinline]] charge(previous, *next);
        }
        count_switch(*next);
        how(&previous.context, &next->context);
    }
}

// Whatever a switch may have to do. `previous` nullptr: the idle context, or with Why::ended one that is
// never gone back to.
void Scheduler::attend_to(Fiber* previous, Why why, Switch how) {
    const bool budgets = attends(Attention::budgets);
    if (budgets && previous != nullptr && why != Why::interrupted) {
        demote_if_due(*previous);
    }
    Fiber* const next = choose(previous);
    follow_tier();
    if (next == previous && why != Why::ended) {
        return;
    }
    if (next != nullptr) {
        count_switch(*next);
    }
    if (previous != nullptr && next != nullptr) [[likely]] {
        if (counts_time()) {
            charge(*previous, *next);
        }
    } else {
        count_times(previous, why, next);
    }
    note(RUMPK_TRACE_SWITCH, next, static_cast<uint32_t>(why));
    if (budgets) {
        if (previous != nullptr) {
            stop_budget(*previous);
        }
        start_budget(next);
    }
    hal_context* const from = previous != nullptr ? &previous->context
                              : why == Why::ended ? &nobodys_
                                                  : &idle_;
    how(from, next != nullptr ? &next->context : &idle_);
}

// Who is given the core by `previous`. nullptr: nobody, it idles.
inline Fiber* Scheduler::choose(const Fiber* previous) {
    attend_no_more(Attention::higher);
    attend_no_more(Attention::again);
    if (attends(Attention::only)) [[unlikely]] {
        choose_only();
    } else {
        ready_.select();
        if (attends(Attention::dead)) [[unlikely]] {
            pass_over_dead(previous);
        }
    }
    return running();
}

void Scheduler::choose_only() {
    if (only_->run.queued()) {
        ready_.select(only_->run, only_->tier);
    } else if (parts::views && meanwhile_ != nullptr && meanwhile_->run.queued()) {
        ready_.select(meanwhile_->run, meanwhile_->tier);
    } else {
        ready_.deselect();
    }
}

// From the idle context, or to it, or from a fiber that has ended. Idle time is counted always.
[[gnu::noinline]] void Scheduler::count_times(Fiber* previous, Why why, Fiber* next) {
    const bool idled = previous == nullptr && why != Why::ended;
    if (!counts_time() && !idled && next != nullptr) {
        return;
    }
    const uint64_t at = machine().ticks();
    const uint64_t used = begin_stretch(at);
    if (idled) {
        statistics_.idle_ticks += used;
    } else if (previous != nullptr && counts_time()) {
        previous->run_ticks.add(used);
    }
    timed_ = next;
    if (next != nullptr && next->ready_since != 0) {
        next->end_wake(at);
    }
}

void Scheduler::begin(Fiber& fiber) {
    fiber.owned = true;
    if (attends(Attention::tracing)) {
        record(RUMPK_TRACE_SPAWN, &fiber, static_cast<uint32_t>(fiber.tier), 0);
        rumpk_trace_event name;
        __builtin_memcpy(&name, __builtin_assume_aligned(fiber.name, alignof(uint64_t)), sizeof name);
        name.kind = RUMPK_TRACE_NAME; // as struct rumpk_trace_name
        trace_.record(name);
    }
    make_ready(fiber);
}

void Scheduler::make_ready(Fiber& fiber) {
    fiber.state = FiberState::ready;
    ready_.push_back(fiber.run, fiber.tier);
    if (runs_before(fiber.tier, ready_.current())) {
        attend(Attention::higher);
    }
}

void Scheduler::wake(Fiber& fiber, rumpk_trace_woken by) {
    count_wake(fiber, by);
    end_wait(fiber);
}

void Scheduler::ring(Fiber& fiber, uint64_t channels) {
    fiber.latched |= channels;
    if (fiber.state == FiberState::waiting && (fiber.latched & fiber.waits_for) != 0) {
        wake(fiber, RUMPK_TRACE_BY_BELL);
    }
}

// A call that readied somebody has been masked for long enough: what is pending is taken in between.
void Scheduler::give_way() {
    machine().interrupts_restore(1);
    (void)machine().interrupts_mask();
    Fiber& self = *running();
    check_canary(self);
    attend_to(&self, Why::overtaken, machine().context_switch);
}

void Scheduler::yield() {
    Fiber& self = *running();
    (void)ready_.rotate(self.run);
    pass_turn(self);
}

[[gnu::noinline]] void Scheduler::pass_turn(Fiber& self) {
    check_canary(self);
    attend_to(&self, Why::yielded, machine().context_switch);
}

void Scheduler::go_on_in(Tier tier) {
    Fiber& self = *running();
    ready_.remove(self.run, self.tier);
    self.tier = tier;
    make_ready(self);
    hand_over(self, Why::yielded, machine().context_switch);
}

// What most switches are. No call that comes back: this needs no frame.
int64_t Scheduler::end_turn() {
    Fiber& self = *running();
    Fiber& next = reinterpret_cast<Fiber&>(ready_.rotate(self.run));
    if (attention_ != 0 || &next == &self || self.overflowed()) [[unlikely]] {
        return end_turn_attended(self, next);
    }
    count_switch(next);
    return machine().context_switch_unmask(&self.context, &next.context);
}

// After rotate(). Where times are counted and there is nothing else to attend to, it is as short as that: who
// asks for them shall not make everything slower.
int64_t Scheduler::end_turn_attended(Fiber& self, Fiber& next) {
    if (attention_ == counting && &next != &self && !self.overflowed()) [[likely]] {
        charge(self, next);
        count_switch(next);
        return machine().context_switch_unmask(&self.context, &next.context);
    }
    pass_turn(self);
    machine().interrupts_restore(1);
    return 0;
}

uint64_t Scheduler::wait(uint64_t channels, Instant deadline) {
    Fiber& self = *running();
    const bool timed = deadline != Instant::never();
    if ((self.latched & channels) == 0 && (!timed || deadline > now())) {
        self.state = FiberState::waiting;
        self.waits_for = channels;
        if (timed) {
            deadlines_of(self).insert(self.deadline, deadline);
        }
        ready_.remove(self.run, self.tier);
        if (timed && deadline < programmed_ && running() != nullptr) {
            program_timer(); // otherwise whatever tier comes now does
        }
        hand_over(self, Why::waits, machine().context_switch);
    } else {
        reschedule(); // who was rung before this wait and is of a higher tier runs first
    }
    return self.take(channels);
}

// Only one local outlives the switch, so that the frame is small; and it is found anew, so that what decides
// whether to come here needs none.
int64_t Scheduler::ring_and_wait(Fiber& other, uint64_t bell, uint64_t channels) {
    Fiber& self = *running();
    other.latched |= bell;
    other.state = FiberState::ready;
    self.state = FiberState::waiting;
    self.waits_for = channels;
    ready_.replace(self.run, other.run);
    ++handed_over_;
    other.switches.add(1);
    machine().context_switch(&self.context, &other.context);
    const uint64_t taken = self.take(self.waits_for);
    machine().interrupts_restore(1);
    return static_cast<int64_t>(taken);
}

int64_t Scheduler::wait_for_answer() {
    Fiber& self = *running();
    self.state = FiberState::asking;
    ready_.remove(self.run, self.tier);
    hand_over(self, Why::waits, machine().context_switch);
    return static_cast<int64_t>(self.waits_for);
}

void Scheduler::answered(Fiber& fiber, int64_t answer) {
    if (fiber.state == FiberState::asking) {
        fiber.waits_for = static_cast<uint64_t>(answer);
        note(RUMPK_TRACE_WAKE, &fiber, RUMPK_TRACE_BY_ANSWER);
        make_ready(fiber);
    }
}

void Scheduler::forget(Fiber& fiber) {
    note(RUMPK_TRACE_END, &fiber);
    if (fiber.state == FiberState::ready) {
        const bool runs = &fiber == running();
        ready_.remove(fiber.run, fiber.tier);
        if (runs) {
            abandon(fiber);
        }
    } else {
        forget_deadline(fiber);
    }
    fiber.state = FiberState::free;
    if (timed_ == &fiber) {
        timed_ = nullptr; // its block may begin another life before this core goes on
    }
}

void Scheduler::abandon(Fiber& fiber) {
    if (fiber.account() != 0) {
        stop_budget(fiber);
    }
    ready_.deselect(); // from here on nobody runs
    attend(Attention::forgotten);
}

// What ran until now is not looked at: its block may have begun another life, on
// another core even. Its tier's interrupt stack may be the one that this runs on;
// nothing comes back to it.
void Scheduler::leave(Switch how) {
    attend_no_more(Attention::forgotten);
    calls_busy_ = false; // this may be on that stack, and does not come back to it
    attend_to(nullptr, Why::ended, how);
    __builtin_trap(); // nobody gives it the core
}

void Scheduler::interrupt_exit() {
    if (attention_ == 0) {
        return;
    }
    note(RUMPK_TRACE_RETURN, nullptr);
    if (attends(Attention::only) || attends(Attention::forgotten)) [[unlikely]] {
        exit_elsewhere();
    } else if (attends(Attention::higher)) {
        Fiber* const self = running();
        if (self != nullptr) {
            ++statistics_.preemptions;
            check_canary(*self);
        }
        attend_to(self, Why::interrupted, machine().context_preempt); // it lost the core, not its turn
    }
}

// Who ran has ended, or only another one goes on: what it leaves on its tier's interrupt stack nobody comes
// back to.
void Scheduler::exit_elsewhere() {
    if (attends(Attention::forgotten)) {
        // As in any preemption: also what the interrupted code had reserved in memory ends here.
        leave(machine().context_preempt);
    }
    attend_to(running(), Why::interrupted, machine().context_preempt);
}

} // namespace rumpk
