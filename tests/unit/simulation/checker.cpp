// SPDX-License-Identifier: Apache-2.0
// What must hold of the kernel between any two points, whatever has happened. The one file of the
// simulation that looks behind the kernel's interfaces: who renames what it names changes it here.
#include <algorithm>
#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "core/cell.h"
#include "core/console.h"
#include "core/scheduler.h"
#include "core/supervisor.h"
#include "tests/unit/simulation/books.h"
#include "tests/unit/simulation/machine.h"

namespace rumpk {
namespace {

// A private member may be named where a template is instantiated explicitly (C++23 [temp.spec.general] 6),
// and a friend function hands it out.
template <typename Tag, auto Member>
struct Opened {
    friend constexpr auto reach(Tag) { return Member; }
};
#define OPEN(tag, member)                                                                                    \
    struct tag {                                                                                             \
        friend constexpr auto reach(tag);                                                                    \
    };                                                                                                       \
    template struct Opened<tag, member>

OPEN(Ready, &Scheduler::ready_);
OPEN(Attends, &Scheduler::attention_);
OPEN(Programmed, &Scheduler::programmed_);
OPEN(Deadlines, &Scheduler::deadlines_);
OPEN(ReadyTiers, &RunQueue::ready_);
OPEN(FirstOfTier, &RunQueue::first_of);
OPEN(ItsFiber, &Supervisor::fiber_);
OPEN(Free, &Cell::free_);

Fiber& fiber_of(RunNode* node) {
    return *reinterpret_cast<Fiber*>(reinterpret_cast<std::byte*>(node) - offsetof(Fiber, run));
}

bool is_first(const Fiber& fiber) {
    return fiber.cell != nullptr && &fiber == &fiber.cell->first_fiber();
}

} // namespace

namespace simulated {
namespace {

Scheduler* scheduler_of(uint32_t core) {
    return static_cast<Scheduler*>(local_of(core));
}

// Who is ready on a core, tier by tier, in order; who runs is the first of the current one.
using Queue = std::array<std::vector<Fiber*>, tier_count>;

Queue queue_of(Scheduler& scheduler) {
    Queue queue;
    RunQueue& ready = scheduler.*reach(Ready{});
    for (size_t tier = 0; tier < tier_count; ++tier) {
        RunNode* const first = (ready.*reach(FirstOfTier{}))(static_cast<Tier>(tier));
        for (RunNode* node = first; node != nullptr; node = node->next != first ? node->next : nullptr) {
            check(node->next->previous == node && node->previous->next == node, "a run queue's links");
            queue[tier].push_back(&fiber_of(node));
            check(queue[tier].size() < 100'000, "a run queue that does not end");
        }
        const bool marked = (ready.*reach(ReadyTiers{}) >> tier & 1) != 0;
        check(marked == !queue[tier].empty(), "the bitmap says something else than the run queue");
    }
    return queue;
}

// Of those that were there before and have not run since, none has overtaken another.
void check_order(const Queue& queue, const Fiber* running, uint32_t core) {
    struct Seen {
        const Fiber* fiber;
        uint64_t id, switches;
        bool operator==(const Seen&) const = default;
    };
    static std::array<std::array<std::vector<Seen>, tier_count>, HAL_MAX_CORES> before;
    for (size_t tier = 0; tier < tier_count; ++tier) {
        std::vector<Seen>& old = before[core][tier];
        std::vector<Seen> now;
        for (const Fiber* fiber : queue[tier]) {
            if (fiber != running) {
                now.push_back({fiber, FiberId{fiber->id}.value(), fiber->switches});
            }
        }
        size_t at = 0; // in the old order
        for (const Seen& seen : now) {
            const auto found = std::ranges::find(old, seen);
            if (seen.id != 0 && found != old.end()) {
                const auto place = static_cast<size_t>(found - old.begin());
                check(place >= at, "a fiber has overtaken another of its tier");
                at = place;
            }
        }
        old = std::move(now);
    }
}

void check_queued(const Fiber& fiber, uint32_t core, size_t tier) {
    check(fiber.state == FiberState::ready, "a fiber in a run queue is not ready");
    check(CoreId{fiber.core}.value() == core, "a fiber in the run queue of a core that is not its own");
    check(static_cast<size_t>(fiber.tier) == tier, "a fiber in another tier's queue");
    check(fiber.owned, "a fiber in a run queue that its core does not own");
    check(fiber.cell == nullptr || FiberId{fiber.id} != FiberId::none(), "a free slot is in a run queue");
}

// The cell has ended, and not begun anew yet.
bool ending(const Cell& cell) {
    const Supervisor* const supervisor = cell.supervisor();
    return supervisor != nullptr && supervisor->ending();
}

// Its cell has ended, and so it is given the core no more. Other cores hear of that.
bool is_dead(const Fiber& fiber) {
    return fiber.cell != nullptr && fiber.cell->stopping() && CoreId{fiber.core} == fiber.cell->home_core();
}

// A fiber that its core owns is in exactly the place that its state says.
void check_state(const Fiber& fiber, const Scheduler& scheduler) {
    const bool running = scheduler.running() == &fiber;
    check(!running || fiber.state == FiberState::ready, "who runs is not ready");
    check((fiber.state == FiberState::ready) == fiber.run.queued(), "ready and not queued, or the opposite");
    check(!fiber.deadline.pending() || fiber.state == FiberState::waiting,
          "a deadline is pending of a fiber that does not wait");
    check(!fiber.console.link.linked() || fiber.state == FiberState::waiting ||
              fiber.state == FiberState::ready || running,
          "in the console's queue without a wait");
    check(FiberId{fiber.id} != FiberId::none(), "a free slot is owned");
    check(fiber.state != FiberState::free, "an owned fiber is free");
}

void check_core(uint32_t core) {
    Scheduler& scheduler = *scheduler_of(core);
    const Queue queue = queue_of(scheduler);
    for (size_t tier = 0; tier < tier_count; ++tier) {
        for (const Fiber* fiber : queue[tier]) {
            check_queued(*fiber, core, tier);
        }
    }
    check_order(queue, scheduler.running(), core);
    for (Cell& cell : cells()) {
        for (const Fiber& fiber : cell.fibers()) {
            // Else it is given back with the others.
            const bool ended = ending(cell) && fiber.state == FiberState::free;
            if (fiber.owned && CoreId{fiber.core}.value() == core && !ended) {
                check_state(fiber, scheduler);
            }
        }
    }
    constexpr uint32_t goes_on =
        static_cast<uint32_t>(Attention::forgotten) | static_cast<uint32_t>(Attention::again);
    if ((scheduler.*reach(Attends{}) & goes_on) != 0) {
        return; // who ran has ended, or who would run; the core goes on elsewhere at once: it sets the timer
                // then
    }
    // Of the current tier and those above it; while the core idles, of all.
    const auto current = static_cast<size_t>((scheduler.*reach(Ready{})).current());
    uint64_t next = RUMPK_NEVER;
    for (size_t tier = 0; tier < std::min<size_t>(current + 1, tier_count); ++tier) {
        next = std::min(next, (scheduler.*reach(Deadlines{}))[tier].next().nanoseconds());
    }
    // Or at once, where an interrupt has closed a gap for the one that follows.
    if (scheduler.*reach(Programmed{}) == Instant{}) {
        next = 0;
    }
    const uint64_t timer = timer_of(core);
    check(next == timer || (timer == RUMPK_NEVER && next <= now()),
          "the timer stands elsewhere than the next deadline");
}

// Where two cores panic at once, one of them stands still wherever it has come to: it waits, and not in its
// idle context, where no tier is current.
bool stands_still(uint32_t core) {
    return the_books().plan.end == End::panics && waits(core) &&
           (scheduler_of(core)->*reach(Ready{})).current() != no_tier;
}

// What a spawn relies on and does not look at.
void check_usual(const Fiber& fiber) {
    Cell& cell = *fiber.cell;
    check(!fiber.unusual && fiber.budget == 0 && fiber.watcher == FiberId::none() && fiber.rx.slots == 0 &&
              fiber.tx.slots == 0,
          "a free slot has something of its last life");
    check(CoreId{fiber.core} == cell.home_core(), "a free slot is not at home");
    check(fiber.stack == cell.pooled_stack(cell.slot_of(fiber)),
          "a free slot has another stack than its own");
    check(fiber.next_id.slot() == cell.slot_of(fiber), "a free slot's next id names another");
}

// On the home core: what is free, and what is not.
void check_slots(Cell& cell) {
    std::set<uint32_t> slots;
    for (const Fiber* free = cell.*reach(Free{}); free != nullptr; free = free->next_free) {
        check(slots.insert(cell.slot_of(*free)).second, "a slot is free twice");
        check_usual(*free);
    }
    uint32_t live = 0;
    for (const Fiber& fiber : cell.fibers()) {
        const bool named = FiberId{fiber.id} != FiberId::none();
        live += named ? 1 : 0;
        check(named || !fiber.run.queued(), "a free slot is queued");
        check(named || !fiber.console.link.linked(), "a free slot waits for the console");
        check(!named || FiberId{fiber.id}.slot() == cell.slot_of(fiber), "an id names another slot");
        check(named != slots.contains(cell.slot_of(fiber)) || is_first(fiber),
              "a slot leaks, or is used while free");
    }
    check(live == cell.live_fibers(), "the count of live fibers is wrong");
}

const char* name_of(FiberState state) {
    switch (state) {
    case FiberState::free:
        return "free";
    case FiberState::ready:
        return "ready";
    case FiberState::waiting:
        return "waiting";
    case FiberState::asking:
        return "asking";
    }
    return "?";
}

} // namespace

void look(uint32_t core) {
    const Looking looking;
    const bool began = !cells().empty() && cells()[0].live_fibers() != 0;
    if (is_off() || !began || console().finishing() || local_of(core) == nullptr || !settled(core)) {
        return; // before the first fiber, or after the cell's end, which nobody tidies up
    }
    if (stands_still(core)) {
        return;
    }
    check_core(core);
    for (Cell& cell : cells()) {
        if (cell.home_core().value() == core && cell.live_fibers() != 0) { // else it begins anew
            check_slots(cell);
        }
    }
}

void went_on(uint32_t core) {
    const Looking looking;
    Scheduler& scheduler = *scheduler_of(core);
    if (console().finishing()) {
        return; // the console's fiber alone is given the core
    }
    RunQueue& ready = scheduler.*reach(Ready{});
    const bool at_once = scheduler.*reach(Programmed{}) == Instant{};
    const bool passes_over =
        (scheduler.*reach(Attends{}) & static_cast<uint32_t>(Attention::dead)) != 0; // and goes on at once
    check(at_once || (scheduler.running() == nullptr ? ready.empty() || passes_over : !ready.ready_above()),
          "a fiber of a higher tier is ready, and does not run");
}

void check_pages(uint64_t most_held) {
    const Looking looking;
    MapPool& pool = cells()[0].map_pool;
    uint64_t held = 0;
    for (VirtAddr at = pool.area().base; at != pool.area().end(); at = at + MapPool::page_size) {
        const bool mapped = pool.check({at, MapPool::page_size}, right_read).has_value();
        held += mapped ? 1 : 0;
        check(mapped || pool.take(at), "a page that nobody has and nobody can get");
    }
    check(held <= most_held, "more pages are mapped than anybody has mapped");
}

void check_alone() {
    const Looking looking;
    for (const Fiber& fiber : cells()[0].fibers()) {
        check(is_first(fiber) || (!fiber.owned && FiberId{fiber.id} == FiberId::none()),
              "a fiber of the life before");
    }
}

void* stack_of(uint64_t id) {
    const Looking looking;
    return cells()[0].pooled_stack(static_cast<uint32_t>(id)).pointer();
}

bool will_go_on(const hal_context* context) {
    const Looking looking;
    if (console().finishing()) {
        return false; // but for the console's fiber
    }
    const auto goes_on = [&](const Fiber& fiber) {
        return &fiber.context == context && fiber.owned && fiber.run.queued() && !is_dead(fiber);
    };
    return (console().attached() && goes_on(console().fiber())) ||
           std::ranges::any_of(cells(), [&](Cell& cell) {
               const Supervisor* const supervisor = cell.supervisor();
               return std::ranges::any_of(cell.fibers(), goes_on) ||
                      (supervisor != nullptr && goes_on(*(supervisor->*reach(ItsFiber{}))));
           });
}

void goes_to(const hal_context* context) {
    const Looking looking;
    for (Cell& cell : cells()) {
        for (const Fiber& fiber : cell.fibers()) {
            check(&fiber.context != context || !is_dead(fiber),
                  "a fiber is given the core whose cell has ended");
        }
    }
}

std::string describe_fibers() {
    const Looking looking;
    std::string text;
    const auto add = [&](const Fiber& fiber, uint32_t number) {
        char line[160];
        std::snprintf(
            line, sizeof line, "  fiber %2u id %llx core %u tier %u %s%s latched %llx waits for %llx\n",
            number, static_cast<unsigned long long>(FiberId{fiber.id}.value()), CoreId{fiber.core}.value(),
            static_cast<unsigned>(fiber.tier), name_of(fiber.state), fiber.owned ? "" : ", not owned",
            static_cast<unsigned long long>(fiber.latched), static_cast<unsigned long long>(fiber.waits_for));
        text += line;
    };
    if (console().attached()) {
        add(console().fiber(), 98);
    }
    for (const Cell& cell : cells()) {
        if (Supervisor* const supervisor = cell.supervisor(); supervisor != nullptr) {
            add(*(supervisor->*reach(ItsFiber{})), 99);
        }
        for (const Fiber& fiber : const_cast<Cell&>(cell).fibers()) {
            add(fiber, cell.slot_of(fiber));
        }
    }
    return text;
}

} // namespace simulated
} // namespace rumpk
