// SPDX-License-Identifier: Apache-2.0
#include "core/scheduler.h"

#include <algorithm>

#include "core/panic.h"

namespace rumpk {

namespace {

constexpr size_t idle_stack = RUMPK_TIER_COUNT;

size_t stack_index(const Fiber* fiber) {
    return fiber != nullptr ? static_cast<size_t>(fiber->tier) : idle_stack;
}

Fiber& fiber_of(RunNode& node) {
    return *reinterpret_cast<Fiber*>(reinterpret_cast<std::byte*>(&node) - offsetof(Fiber, run));
}

Fiber& fiber_of(DeadlineNode& node) {
    return *reinterpret_cast<Fiber*>(reinterpret_cast<std::byte*>(&node) - offsetof(Fiber, deadline));
}

Instant now() {
    return Instant{machine().now()};
}

} // namespace

Scheduler& this_scheduler() {
    return *static_cast<Scheduler*>(machine().core_local());
}

void Scheduler::prepare(CoreId core, std::span<const AddressRange, interrupt_stacks> interrupts,
                        AddressRange calls, std::span<DeadlineQueue::Family> deadlines) {
    core_ = core;
    deadlines_.prepare(deadlines);
    std::ranges::copy(interrupts, interrupts_.begin());
    calls_ = calls;
    mailbox_.prepare(core);
}

void Scheduler::enter() {
    since_ = now();
    machine().core_local_set(this);
    machine().interrupt_stack(interrupts_[idle_stack].pointer(), interrupts_[idle_stack].size);
}

// The idle context. It runs only while nothing is ready: whatever readies a
// fiber on this core is an interrupt, and an interrupt switches away when it
// returns. There is no window in which a wake-up could be lost: interrupts stay
// masked from the decision to wait (in hand_over or here) up to the wait
// itself, and interrupts_wait ends at once if one came pending in between.
void Scheduler::run() {
    if (Fiber* first = pick(); first != nullptr) {
        hand_over(first, machine().context_switch);
    }
    for (;;) {
        machine().interrupts_wait();
        machine().interrupts_restore(1); // what ended the wait is taken here
        (void)machine().interrupts_mask();
    }
}

Fiber* Scheduler::pick() {
    if (only_ != nullptr) [[unlikely]] {
        if (!only_->run.queued()) {
            return nullptr;
        }
        ready_.remove(only_->run);
        return only_;
    }
    RunNode* node = ready_.pop();
    return node != nullptr ? &fiber_of(*node) : nullptr;
}

void Scheduler::account(Fiber* next) {
    const Instant at = now();
    const Nanoseconds used = at - since_;
    if (running_ != nullptr) {
        running_->run_time.add(used.value());
    } else {
        statistics_.idle += used;
    }
    since_ = at;
    if (next != nullptr) {
        ++statistics_.switches;
        next->switches.add(1);
    }
}

Nanoseconds Scheduler::run_time(const Fiber& fiber) const {
    const Nanoseconds before{fiber.run_time};
    return &fiber == running_ ? before + (now() - since_) : before;
}

void Scheduler::check_canary(const Fiber& fiber) const {
    if (fiber.canary != nullptr && *fiber.canary != stack_canary) {
        panic_fiber(fiber, "stack overflow: the canary at the low end of the stack is gone");
    }
}

// Gives the core to `next` (nullptr: idle), whose state the caller has settled.
// Returns when the fiber that ran until now is given the core again.
void Scheduler::hand_over(Fiber* next, decltype(hal::context_switch) how) {
    Fiber* const previous = running_;
    if (previous != nullptr) {
        check_canary(*previous);
    }
    if (next != nullptr) {
        next->state = FiberState::running;
    }
    if (next == previous) {
        return;
    }
    account(next);
    running_ = next;
    const size_t stack = stack_index(next);
    if (stack != stack_index(previous)) {
        machine().interrupt_stack(interrupts_[stack].pointer(), interrupts_[stack].size);
    }
    how(&context_of(previous), &context_of(next));
}

void Scheduler::make_ready(Fiber& fiber) {
    fiber.state = FiberState::ready;
    ready_.push_back(fiber.run, fiber.tier);
}

void Scheduler::wake(Fiber& fiber) {
    if (fiber.deadline.pending()) {
        deadlines_.cancel(fiber.deadline);
        program_timer();
    }
    ++statistics_.wakes;
    make_ready(fiber);
}

void Scheduler::ring(Fiber& fiber, uint64_t channels) {
    fiber.latched |= channels;
    if (fiber.state == FiberState::waiting && (fiber.latched & fiber.waits_for) != 0) {
        wake(fiber);
    }
}

void Scheduler::reschedule() {
    if (!ready_.ready_above(running_->tier)) {
        return;
    }
    running_->state = FiberState::ready;
    ready_.push_front(running_->run, running_->tier);
    hand_over(pick(), machine().context_switch);
}

void Scheduler::yield() {
    make_ready(*running_);
    hand_over(pick(), machine().context_switch);
}

uint64_t Scheduler::wait(uint64_t channels, Instant deadline) {
    Fiber& self = *running_;
    if ((self.latched & channels) == 0 && deadline > now()) {
        self.state = FiberState::waiting;
        self.waits_for = channels;
        if (deadline != Instant::never()) {
            deadlines_.insert(self.deadline, deadline);
            program_timer();
        }
        hand_over(pick(), machine().context_switch);
    } else {
        reschedule(); // who was rung before this wait and is of a higher tier runs first
    }
    return self.take(channels);
}

// What ring, wait and pick would do, without a queue in between.
bool Scheduler::ring_and_wait(Fiber& other, uint64_t bell, uint64_t channels) {
    Fiber& self = *running_;
    if (other.state != FiberState::waiting || ((other.latched | bell) & other.waits_for) == 0 ||
        other.deadline.pending() || (self.latched & channels) != 0 || only_ != nullptr ||
        ready_.ready_from(other.tier)) {
        return false;
    }
    other.latched |= bell;
    ++statistics_.wakes;
    self.state = FiberState::waiting;
    self.waits_for = channels;
    hand_over(&other, machine().context_switch);
    return true;
}

int64_t Scheduler::wait_for_answer() {
    Fiber& self = *running_;
    self.state = FiberState::asking;
    hand_over(pick(), machine().context_switch);
    return static_cast<int64_t>(self.waits_for);
}

void Scheduler::answered(Fiber& fiber, int64_t answer) {
    if (fiber.state == FiberState::asking) {
        fiber.waits_for = static_cast<uint64_t>(answer);
        make_ready(fiber);
    }
}

void Scheduler::forget(Fiber& fiber) {
    if (&fiber == running_) {
        account(nullptr);
        running_ = nullptr;
        forgotten_ = true;
    } else if (fiber.state == FiberState::ready) {
        ready_.remove(fiber.run);
    } else if (fiber.deadline.pending()) {
        deadlines_.cancel(fiber.deadline);
        program_timer();
    }
    fiber.state = FiberState::free;
}

// What ran until now is not looked at: its block may have begun another life, on
// another core even. Its tier's interrupt stack may be the one that this runs on;
// nothing comes back to it.
void Scheduler::leave(decltype(hal::context_switch) how) {
    forgotten_ = false;
    calls_busy_ = false; // this may be on that stack, and does not come back to it
    Fiber* const next = pick();
    account(next);
    if (next != nullptr) {
        next->state = FiberState::running;
    }
    running_ = next;
    const AddressRange interrupts = interrupts_[stack_index(next)];
    machine().interrupt_stack(interrupts.pointer(), interrupts.size);
    how(&nobodys_, &context_of(next));
    panic("an ended fiber was given the core");
}

// The compare register holds the next moment the deadline queue asks for, or
// nothing (K5): an idle core without deadlines takes no timer interrupt.
void Scheduler::program_timer() {
    const Instant next = deadlines_.next();
    if (next != programmed_) {
        programmed_ = next;
        machine().timer_set(next.nanoseconds());
    }
}

void Scheduler::timer_event() {
    ++statistics_.timer_interrupts;
    programmed_ = Instant::never(); // the timer is one-shot: it disarmed itself
    bool served = false;
    const Instant at = now();
    deadlines_.advance(at);
    while (DeadlineNode* node = deadlines_.pop_due()) {
        served = true;
        ++statistics_.wakes;
        make_ready(fiber_of(*node));
    }
    if (!served) {
        ++statistics_.timer_empty;
    }
    program_timer();
}

void Scheduler::interrupt_exit() {
    if (only_ != nullptr && running_ != nullptr && running_ != only_) [[unlikely]] {
        forget(*running_); // whatever its tier, and although it may never yield
    }
    if (forgotten_) {
        // As in any preemption: also what the interrupted code had reserved in memory ends here.
        leave(machine().context_preempt);
    }
    if (running_ != nullptr ? !ready_.ready_above(running_->tier) : ready_.empty()) {
        return;
    }
    if (running_ != nullptr) {
        ++statistics_.preemptions;
        running_->state = FiberState::ready;
        ready_.push_front(running_->run, running_->tier); // it lost the core, not its turn
    }
    hand_over(pick(), machine().context_preempt);
}

} // namespace rumpk
