// SPDX-License-Identifier: Apache-2.0
// One core's scheduler: founding decisions K5, K6 and A3.
//
// There is no loop that schedules. A decision is taken in three places only:
// when an interrupt returns (interrupt_exit), when a fiber waits, yields or
// ends, and when a call readied a fiber of a higher tier (reschedule). With
// nothing ready the core switches to its idle context, which is one WFI.
//
// A core owns its scheduler: nobody else touches it, and it is touched only
// with interrupts masked. So it needs no lock and no atomic. What another core
// wants of it comes as a message (mailbox.h).
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "core/budget.h"
#include "core/fiber.h"
#include "core/mailbox.h"
#include "core/parts.h"
#include "core/random.h"
#include "core/trace.h"

namespace rumpk {

// Tiers, and one more for the idle context.
inline constexpr size_t interrupt_stacks = RUMPK_TIER_COUNT + 1;
// Of none of these is the stack that the HAL knows.
inline constexpr auto untold = static_cast<Tier>(interrupt_stacks);

// What makes a switch more than a switch. The fast path tests whether there is any.
enum class Attention : uint32_t {
    higher = 1U << 0,    // a higher tier than the current one is ready
    counting = 1U << 1,  // fibers' times are counted
    only = 1U << 2,      // one fiber alone is given the core, see run_only()
    forgotten = 1U << 3, // the running fiber has ended; the core still has to leave it
    tracing = 1U << 4,   // events are recorded
    budgets = 1U << 5,   // some fibers of the image have one
    dead = 1U << 6,      // fibers of a cell that has ended may be ready, see cell_stops()
    again = 1U << 7,     // the idle context has the core for a moment: it takes such a one out, and chooses
};

// Why the core goes from one to another, as a trace says it.
enum class Why : uint8_t {
    yielded = RUMPK_TRACE_YIELDED,
    waits = RUMPK_TRACE_WAITS,
    overtaken = RUMPK_TRACE_OVERTAKEN,
    interrupted = RUMPK_TRACE_INTERRUPTED,
    ended = RUMPK_TRACE_ENDED,
};

struct SchedulerStatistics {
    uint64_t switches = 0;
    uint64_t preemptions = 0;
    uint64_t wakes = 0;
    uint64_t timer_interrupts = 0;
    uint64_t timer_empty = 0;
    uint64_t device_interrupts = 0;
    uint64_t idle_ticks = 0;
};

class Scheduler {
  public:
    // The stacks on which interrupts of this core run, by tier of the fiber that
    // was interrupted: an interrupted fiber's registers stay on its tier's stack
    // until it goes on, and within a tier only one can be interrupted at a time.
    // `calls` is the stack of kernel calls that need depth. The deadlines' memory has room
    // for one of each fiber that may wait on this core, and one for the running one's budget.
    void prepare(CoreId core, std::span<const AddressRange, interrupt_stacks> interrupts, AddressRange calls,
                 std::span<DeadlineStorage::Block> deadlines,
                 std::span<DeadlineStorage::Block*> deadline_pointers);

    // Boot only. Fibers with budgets may come. Without this none are looked for.
    void expect_budgets() { attend(Attention::budgets); }

    // On the core itself, once prepared. Masked.
    void enter();
    // The calling context becomes the idle context. Masked; never returns.
    [[noreturn]] void run();

    [[nodiscard]] CoreId core() const { return core_; }
    // Is that core this one? It is where there are no others.
    [[nodiscard]] bool is(CoreId core) const { return core == core_ || !parts::cores; }
    [[nodiscard]] Mailbox& mailbox() { return mailbox_; }
    [[nodiscard]] Random& random() { return random_; }
    [[nodiscard]] const Trace& trace() const { return trace_; }
    // Boot only. From now on events are recorded, in memory of a power of two of them.
    void start_trace(std::span<rumpk_trace_event> storage);
    // Records an event, if events are. Masked.
    [[gnu::always_inline]] void note(rumpk_trace_kind kind, const Fiber* fiber, uint32_t detail = 0,
                                     uint64_t value = 0) {
        if (attends(Attention::tracing)) [[unlikely]] {
            record(kind, fiber, detail, value);
        }
    }
    // nullptr: the idle context. Any core may look.
    [[nodiscard]] Fiber* running() const { return reinterpret_cast<Fiber*>(ready_.first()); }
    [[nodiscard]] SchedulerStatistics statistics() const {
        SchedulerStatistics all = statistics_;
        all.switches += handed_over_;
        all.wakes += handed_over_;
        return all;
    }

    // Fibers' times are counted from the first time that somebody wants to know them, for
    // a look at the clock may cost more than a switch.
    void count_time();
    [[nodiscard]] bool counts_time() const { return attends(Attention::counting); }
    [[nodiscard]] Instant counts_since() const { return counts_since_; }
    // Of a fiber of this core: what it has used since it was last given the core included. Any core may look;
    // where stores are seen in another order it may be told a stretch too much or too little. Nothing is
    // decided by it.
    [[nodiscard]] Nanoseconds run_time(const Fiber& fiber) const;

    // A fiber of this core begins, with a context.
    void begin(Fiber& fiber);
    // The same, where nothing else is to be done than to put it behind the running fiber, `self`, in that
    // one's tier.
    [[gnu::always_inline]] bool begin_beside(Fiber& self, Fiber& fiber) {
        if (fiber.tier != self.tier || attends(Attention::tracing)) [[unlikely]] {
            return false;
        }
        fiber.owned = true;
        fiber.state = FiberState::ready;
        RunQueue::append(fiber.run, self.run);
        return true;
    }
    // Puts a fiber that has a context at the end of its tier.
    void make_ready(Fiber& fiber);
    // A fiber of this core that waits, whatever for, is ready.
    void end_wait(Fiber& fiber) {
        forget_deadline(fiber);
        make_ready(fiber);
    }
    // Latches the channels; a fiber that waits for one of them becomes ready. Bells coalesce.
    void ring(Fiber& fiber, uint64_t channels);
    // Gives the core to a higher tier if one became ready. At the end of every call that may ready one.
    [[gnu::always_inline]] void reschedule() {
        if (attends(Attention::higher)) [[unlikely]] {
            give_way();
        }
    }

    // Running fiber: goes to the end of its tier.
    void yield();
    // The same as the last deed of a call: returns unmasked, 0.
    int64_t end_turn();
    // Running fiber: waits until one of `channels` is latched or the deadline has
    // passed. Returns the channels, latches cleared; 0: the deadline passed.
    [[nodiscard]] uint64_t wait(uint64_t channels, Instant deadline);
    // Is this other fiber of this core the next to run, if `bell` comes to it and the running one, `self`,
    // then waits for `channels`, without a deadline? Said of two fibers that have their tier to themselves.
    [[nodiscard]] bool leads_to(const Fiber& self, const Fiber& other, uint64_t bell,
                                uint64_t channels) const {
        return other.state == FiberState::waiting && (bell & other.waits_for) != 0 &&
               !other.deadline.pending() && other.tier == self.tier && self.run.next == &self.run &&
               (self.latched & channels) == 0 && attention_ == 0 && !self.overflowed();
    }
    // Running fiber, where leads_to() is so and as the last deed of a call: rings the other and waits, in one
    // step, without a queue in between. Returns unmasked, what wait() does.
    int64_t ring_and_wait(Fiber& other, uint64_t bell, uint64_t channels);
    // Running fiber: waits until answered() has come. Returns what it brought.
    [[nodiscard]] int64_t wait_for_answer();
    // Whatever `answer` was for: a fiber that no longer asks misses it.
    void answered(Fiber& fiber, int64_t answer);

    // A fiber of this core that ends: takes it out of every queue. Its control block
    // is touched no more. If it is the running one, its stack neither: the caller is
    // on another, and comes to leave() or to the interrupt's end.
    void forget(Fiber& fiber);
    // The core is about to leave this fiber, which runs, for ever; what forget() does besides is to follow.
    void abandon(Fiber& fiber);
    // After either of these: the core goes on elsewhere.
    [[noreturn]] void leave() { leave(machine().context_switch); }
    // The same at the end of a fault, in fewer steps: the idle context takes what is pending, and chooses.
    [[noreturn]] void leave_fault();
    // The same of the running fiber in two steps, where another of its tier is ready and a switch is no more
    // than that: forgets it and returns who is next, to be gone on with at once. nullptr: not so, nothing has
    // been done.
    [[nodiscard]] Fiber* step_aside() {
        Fiber& self = *running();
        if (attention_ != 0 || self.run.next == &self.run) {
            return nullptr;
        }
        self.state = FiberState::free;
        return reinterpret_cast<Fiber*>(&ready_.leave(self.run));
    }
    // Does not return.
    [[gnu::always_inline]] void go_on_with(Fiber& next) {
        count_switch(next);
        machine().context_leave(&next.context);
    }
    // A cell has ended: from now on none of its fibers is given the core. Whose turn comes is taken out, one
    // at a time, and whoever is behind it has waited for that instead of the turn.
    void cell_stops() {
        attend(Attention::dead);
        attend(Attention::higher); // who runs may be one of them
    }
    // And no fiber of any such cell is known any more.
    void cells_have_stopped() { attend_no_more(Attention::dead); }
    // From now on only this fiber, of the kernel, is given the core; and, while it waits, that one.
    void run_only(Fiber& fiber, Fiber* meanwhile = nullptr) {
        only_ = &fiber;
        if (parts::views) {
            meanwhile_ = meanwhile;
        }
        attend(Attention::only);
    }
    // The running fiber, one of the kernel's, goes on in another tier, at its end.
    void go_on_in(Tier tier);

    // Runs a function on this core's kernel stack; it must neither switch, but with
    // leave(), nor unmask, but right before that, nor come here again.
    template <typename Function>
    int64_t on_kernel_stack(Function&& function) {
        auto thunk = [](void* f) -> int64_t {
            return (*static_cast<std::remove_reference_t<Function>*>(f))();
        };
        ensure(!calls_busy_);
        calls_busy_ = true;
        const int64_t result = machine().call_on_stack(calls_.pointer(), calls_.size, thunk, &function);
        calls_busy_ = false;
        return result;
    }
    [[nodiscard]] AddressRange kernel_stack() const { return calls_; }
    [[nodiscard]] std::span<const AddressRange, interrupt_stacks> interrupt_stack_ranges() const {
        return interrupts_;
    }

    // Masked. At that moment, and not before, the timer interrupt calls look_after_cells(). never(): it does
    // not.
    void watch_at(Instant moment);

    // In an event: what lies on the interrupt stack stays there, for the running fiber's tier has this one
    // from now on. Returns that.
    [[nodiscard]] AddressRange keep_interrupt_stack(AddressRange spare);

    // Events, on the interrupt stack.
    void timer_event();
    void count_device_event(uint32_t line) {
        ++statistics_.device_interrupts;
        note(RUMPK_TRACE_INTERRUPT, nullptr, RUMPK_TRACE_DEVICE, line);
    }
    void interrupt_exit();

  private:
    using Switch = decltype(hal::context_switch);

    [[nodiscard]] bool attends(Attention what) const {
        return (attention_ & static_cast<uint32_t>(what)) != 0 && possible(what);
    }
    // In this kernel, by its parts.
    [[nodiscard]] static bool possible(Attention what) {
        return (what != Attention::budgets || parts::budgets) &&
               (what != Attention::tracing || parts::trace) &&
               ((what != Attention::dead && what != Attention::again) || parts::supervisors());
    }
    void attend(Attention what) { attention_ |= static_cast<uint32_t>(what); }
    void attend_no_more(Attention what) { attention_ &= ~static_cast<uint32_t>(what); }

    [[nodiscard]] DeadlineQueue& deadlines_of(const Fiber& fiber) {
        return deadlines_.data()[static_cast<size_t>(fiber.tier)]; // a tier that there is
    }
    // Whatever the tier of who runs, its budget matters.
    [[nodiscard]] DeadlineQueue& deadlines_with_budget() { return deadlines_.front(); }
    [[nodiscard]] std::span<DeadlineQueue> deadlines_that_matter();
    // No fiber's.
    [[nodiscard]] bool is_own(const DeadlineNode& node) const {
        return (parts::budgets && &node == &budget_end_) || (parts::restart && &node == &watch_);
    }
    bool serve_deadlines(Instant at);
    void forget_deadline(Fiber& fiber) {
        if (fiber.deadline.pending()) {
            cancel_deadline(fiber);
        }
    }
    [[gnu::noinline]] void cancel_deadline(Fiber& fiber);
    void wake(Fiber& fiber, rumpk_trace_woken by);
    [[gnu::always_inline]] void count_wake(Fiber& fiber, rumpk_trace_woken by) {
        ++statistics_.wakes;
        note(RUMPK_TRACE_WAKE, &fiber, by);
        if (counts_time()) {
            fiber.ready_since = machine().ticks();
        }
    }
    void record(rumpk_trace_kind kind, const Fiber* fiber, uint32_t detail, uint64_t value);
    void program_timer();
    void give_way();
    void set_interrupt_stack();
    void follow_tier();
    void check_canary(const Fiber& fiber) const;
    void count_switch(Fiber& next) {
        ++statistics_.switches;
        next.switches.add(1);
    }
    void charge(Fiber& previous, Fiber& next);
    [[gnu::noinline]] int64_t end_turn_attended(Fiber& self, Fiber& next);
    void pass_turn(Fiber& self);
    void hand_over(Fiber& previous, Why why, Switch how);
    void attend_to(Fiber* previous, Why why, Switch how);
    Fiber* choose(const Fiber* previous);
    [[gnu::noinline]] void choose_only();
    void pass_over_dead(const Fiber* previous);
    [[gnu::noinline]] void exit_elsewhere();
    void count_times(Fiber* previous, Why why, Fiber* next);
    [[noreturn]] void leave(Switch how);
    [[nodiscard]] uint64_t begin_stretch(uint64_t at);
    // scheduler_budget.cpp
    void demote_if_due(Fiber& fiber);
    void start_budget(const Fiber* fiber);
    void stop_budget(const Fiber& fiber);
    void own_event(const DeadlineNode& node, Instant at);
    void budget_event();

    // What every switch touches.
    uint32_t attention_ = 0; // set of Attention
    RunQueue ready_;
    Shared<uint64_t> since_{0}; // ticks: when who runs was given the core; kept while that is counted
    // Who that is. Not running(), which is chosen before it is given the core.
    Shared<const Fiber*> timed_{nullptr};
    SchedulerStatistics statistics_;
    uint64_t handed_over_ = 0; // ring_and_wait(): a wake and a switch each

    CoreId core_{};
    Trace trace_;           // of Attention::tracing
    Fiber* only_ = nullptr; // of Attention::only
    Fiber* meanwhile_ = nullptr;
    // By tier. A fiber's tier does not change while its deadline is pending.
    std::array<DeadlineQueue, tier_count> deadlines_{};
    DeadlineStorage deadline_storage_;
    DeadlineNode
        budget_end_{}; // pending while the running fiber has a budget, and only then; in the highest tier's
    Instant programmed_ = Instant::never(); // what the compare register holds
    Tier interrupts_of_ = no_tier;          // whose stack the next interrupt runs on
    bool timer_stale_ = false;              // it is to be set anew before anything runs
    hal_context idle_{};
    hal_context nobodys_{}; // where a context goes that is never gone back to
    Mailbox mailbox_;
    Random random_;
    Shared<Instant> counts_since_{}; // Instant{}: they are not counted yet. After since_ was set
    std::array<AddressRange, interrupt_stacks> interrupts_{};
    AddressRange calls_{};
    bool calls_busy_ = false;
    DeadlineNode watch_{}; // pending while watch_at() has a moment; in the highest tier's
};

// The calling core's. Masked, or from a fiber, which never changes cores.
[[nodiscard]] inline Scheduler& this_scheduler() {
    return *static_cast<Scheduler*>(machine().core_local());
}
// Of that core; nullptr: it runs no fibers.
[[nodiscard]] const Scheduler* scheduler_of(CoreId core);

} // namespace rumpk
