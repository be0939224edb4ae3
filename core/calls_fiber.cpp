// SPDX-License-Identifier: Apache-2.0
// spawn, kill, halt.
#include "core/calls.h"
#include "core/fiber_start.h"
#include "core/remote.h"

namespace rumpk {

namespace {

constexpr uint32_t smallest_stack = 1024;

// Both rings stand in the slot's ring space, each at a cache line. EINVAL: a
// geometry that is none. ERANGE: they do not fit.
Result<void> place_rings(AddressRange space, const rumpk_spawn_args& args, Fiber& fiber) {
    VirtAddr next = space.base;
    auto place = [&](rumpk_ring_descriptor& ring, uint32_t slots, uint32_t slot_size) -> Result<void> {
        if (slots == 0) {
            return slot_size == 0 ? Result<void>{} : error(Errno::inval);
        }
        auto geometry = ion::Geometry::make(slots, slot_size);
        if (!geometry) {
            return error(geometry.error());
        }
        const uint64_t bytes = align_up(geometry->bytes(), RUMPK_RING_LINE_SIZE);
        if (bytes > space.end() - next) {
            return error(Errno::range);
        }
        ring = {next.value(), slots, slot_size};
        next = next + bytes;
        return {};
    };
    if (auto rx = place(fiber.rx, args.rx_slots, args.rx_slot_size); !rx) {
        return rx;
    }
    return place(fiber.tx, args.tx_slots, args.tx_slot_size);
}

bool wants_rings(const rumpk_spawn_args& args) {
    return (args.rx_slots | args.rx_slot_size | args.tx_slots | args.tx_slot_size) != 0;
}

void format_ring(const Cell& cell, const rumpk_ring_descriptor& ring) {
    if (ring.slots == 0) {
        return;
    }
    const ion::Geometry geometry = *ion::Geometry::make(ring.slots, ring.slot_size);
    auto* const base =
        static_cast<std::byte*>(cell.reached({VirtAddr{ring.base}, geometry.bytes()}).pointer());
    ensure(ion::format({base, geometry.bytes()}, geometry).has_value());
}

struct Place {
    Tier tier;
    CoreId core;
};

// Tier, core and flags. EINVAL, EPERM.
Result<Place> check_place(const Cell& cell, Scheduler& home, CoreId asker, const rumpk_spawn_args& args) {
    auto tier = tier_from(args.tier);
    if (!tier || (args.flags & ~uint32_t{RUMPK_SPAWN_BARE}) != 0) {
        return error(Errno::inval);
    }
    const CoreId core = args.core == RUMPK_SPAWN_ANY_CORE ? asker : CoreId{args.core};
    const bool at_home = core == home.core();
    if (!at_home && core.value() >= machine().boot->cores) {
        return error(Errno::inval);
    }
    const bool runs_fibers = home.is(core) || home.mailbox().reaches(core);
    const bool allowed_core = runs_fibers && (cell.core_set() >> core.value() & 1) != 0;
    const bool bare = (args.flags & RUMPK_SPAWN_BARE) != 0;
    if (runs_before(*tier, cell.tier_ceiling()) || !allowed_core ||
        (!bare && (!at_home || *tier != cell.home_tier()))) {
        return error(Errno::perm);
    }
    return Place{*tier, core};
}

// A stack of the cell's own, or the slot's pooled one. EINVAL, EFAULT.
Result<AddressRange> check_stack(const Cell& cell, const rumpk_spawn_args& args) {
    const uint64_t size = args.stack_size == 0 ? cell.pooled_stack_size() : args.stack_size;
    if (size < smallest_stack || size % 16 != 0 || args.stack_base % 16 != 0) {
        return error(Errno::inval);
    }
    if (args.stack_base == 0) {
        return size <= cell.pooled_stack_size() ? Result<AddressRange>{AddressRange{}} : error(Errno::inval);
    }
    return cell.range(args.stack_base, size, right_read | right_write);
}

// What was asked for, or what the spawner has: a budget is not escaped by spawning.
// Only who shares no memory with its tier may leave it, a bare fiber, and none falls below
// Void. EINVAL, EBUSY.
Result<void> give_budget(Cell& cell, Fiber& fiber, uint16_t spawners, const rumpk_spawn_args& args) {
    const uint32_t number = args.budget != 0 ? args.budget : cell.budgets.account_of(spawners).index() + 1;
    const bool demotable = (args.flags & RUMPK_SPAWN_BARE) != 0 && fiber.tier != Tier::void_;
    auto account = cell.budgets.take(number, demotable, Instant{machine().now()});
    if (!account) {
        return error(account.error());
    }
    fiber.budget = *account;
    return {};
}

// Where a cell's own stack, another core, rings or a budget were asked for. As place_rings and give_budget.
Result<void> give_more(Cell& cell, Fiber& fiber, const Requester& by, CoreId core, AddressRange stack,
                       const rumpk_spawn_args& args) {
    fiber.unusual = true;
    if (wants_rings(args)) {
        if (auto placed = place_rings(cell.ring_space(cell.slot_of(fiber)), args, fiber); !placed) {
            return placed;
        }
    }
    if (const uint16_t spawners = by.who.fiber->account(); (args.budget | spawners) != 0) {
        if (auto budget = give_budget(cell, fiber, spawners, args); !budget) {
            return budget;
        }
    }
    fiber.core = core;
    if (!stack.empty()) {
        fiber.stack = stack;
        fiber.canary = parts::cells ? fiber.canary : static_cast<uint64_t*>(stack.pointer());
    }
    if (wants_rings(args)) {
        format_ring(cell, fiber.rx);
        format_ring(cell, fiber.tx);
    }
    return {};
}

// A control block with all that was asked for. On the home core.
Result<Fiber*> take_fiber(Cell& cell, const Requester& by, const rumpk_spawn_args& args) {
    auto place = check_place(cell, this_scheduler(), by.core, args);
    if (!place) {
        return error(place.error());
    }
    if (auto entry = cell.check_entry(VirtAddr{args.entry}); !entry) {
        return error(entry.error());
    }
    auto stack = check_stack(cell, args);
    if (!stack) {
        return error(stack.error());
    }
    Fiber* const fiber = cell.take_fiber();
    if (fiber == nullptr) {
        return error(Errno::nomem);
    }
    fiber->tier = place->tier;
    if (auto given = give_more(cell, *fiber, by, place->core, *stack, args); !given) {
        cell.give_fiber(*fiber);
        return error(given.error());
    }
    return fiber;
}

int64_t kill(const Caller& who, const FiberName& target, uint64_t reason) {
    const CoreId core = target.fiber->core;
    if (!who.scheduler.is(core)) {
        const CoreId to = who.cell.at_home() ? core : who.cell.home_core();
        return ask_and_wait(who.scheduler, to, RequestKind::kill, [&](Request& request) -> Result<void> {
            request.target = target;
            request.value = reason;
            return {};
        });
    }
    breathe(); // to find it takes a part of what may be done masked, and the end the rest
    if (!running_here(who.scheduler, target) || target.fiber->condemned()) {
        return to_call(Errno::srch);
    }
    const int64_t code = -static_cast<int64_t>(reason);
    if (target.fiber == &who.fiber) {
        end_self(code);
    }
    // To take a deadline out of many is half of what may be done masked, and the end the other half.
    if (target.fiber->deadline.pending()) {
        fiber_condemn(who.scheduler, *target.fiber, code);
        breathe();
        if (!owns(who.scheduler, target)) {
            return 0;
        }
    }
    return who.scheduler.on_kernel_stack([&]() -> int64_t {
        fiber_end(*target.fiber, code);
        return 0;
    });
}

// On the caller's own stack, where they are nearly always, arguments need no other look, but where cells are
// apart.
[[gnu::always_inline]] inline bool at_hand(const Fiber& caller, uint64_t address) {
    return !parts::cells && address % alignof(rumpk_spawn_args) == 0 &&
           address - caller.stack.base.value() <= caller.stack.size - sizeof(rumpk_spawn_args);
}

// Where nobody runs meanwhile they are read where they lie, else copied once and whole.
[[gnu::always_inline]] inline const rumpk_spawn_args& args_at(uint64_t address, rumpk_spawn_args& copy) {
    auto* const there = reinterpret_cast<rumpk_spawn_args*>(static_cast<uintptr_t>(address));
    if (parts::cores) {
        copy_words(&copy, there, sizeof copy);
        return copy;
    }
    return *there;
}

// Rings or a budget, two words at a time. 0: neither.
[[gnu::always_inline]] inline uint64_t wants_more(const rumpk_spawn_args& args) {
    const auto pair = [&](size_t offset) {
        const auto* const there = reinterpret_cast<const std::byte*>(&args) + offset;
        uint64_t words = 0;
        __builtin_memcpy(&words, __builtin_assume_aligned(there, alignof(uint64_t)), sizeof words);
        return words;
    };
    static_assert(offsetof(rumpk_spawn_args, rx_slot_size) % alignof(uint64_t) == 0 &&
                  offsetof(rumpk_spawn_args, tx_slots) - offsetof(rumpk_spawn_args, rx_slot_size) == 4 &&
                  offsetof(rumpk_spawn_args, budget) - offsetof(rumpk_spawn_args, tx_slot_size) == 4);
    return pair(offsetof(rumpk_spawn_args, rx_slot_size)) | pair(offsetof(rumpk_spawn_args, tx_slot_size)) |
           args.rx_slots;
}

// What nearly every spawn asks for: a usual control block, and nothing that has to be refused.
[[gnu::always_inline]] inline bool wants_usual(const Caller& who, const rumpk_spawn_args& args) {
    const Cell& cell = who.cell;
    const auto ceiling = static_cast<uint32_t>(cell.tier_ceiling());
    const uint32_t size = args.stack_size;
    const uint64_t more = args.stack_base | wants_more(args) | who.fiber.account();
    if (args.size != sizeof args || more != 0 || args.core != RUMPK_SPAWN_ANY_CORE) {
        return false;
    }
    if (args.flags == 0 ? args.tier != static_cast<uint32_t>(cell.home_tier())
                        : args.flags != RUMPK_SPAWN_BARE || args.tier - ceiling >= tier_count - ceiling) {
        return false;
    }
    if (size != 0 && (size % 16 != 0 || size - smallest_stack > cell.pooled_stack_size() - smallest_stack)) {
        return false;
    }
    return cell.runs(VirtAddr{args.entry}) && cell.at_home() &&
           Promises{cell.promises}.contains(promises_of_call[RUMPK_CALL_SPAWN]);
}

// Unmasks; returns what the call does.
[[gnu::noinline]] int64_t begin_fiber(Scheduler& here, Fiber& fiber) {
    const FiberId id = fiber.id; // it may have ended before this one goes on
    here.begin(fiber);
    here.reschedule();
    machine().interrupts_restore(1);
    return static_cast<int64_t>(id.value());
}

// A control block that was taken becomes the caller's fiber, of this core. Unmasks; returns what the call
// does.
[[gnu::noinline]] int64_t spawn_taken(Scheduler& here, Fiber& self, Fiber& fiber,
                                      const rumpk_spawn_args& args) {
    const FiberId id = fiber_make(fiber, args, self.id);
    if (!here.begin_beside(self, fiber)) {
        return begin_fiber(here, fiber);
    }
    machine().interrupts_restore(1);
    return static_cast<int64_t>(id.value());
}

// The same for another core. EAGAIN: that has no room for the message.
int64_t spawn_elsewhere(Cell& cell, Fiber& fiber, const Requester& by, const rumpk_spawn_args& args) {
    const FiberId id = fiber_make(fiber, args, by.who.id);
    Request request;
    request.target = {&fiber, id};
    if (!this_scheduler().mailbox().ask(fiber.core, RequestKind::adopt, request)) {
        fiber.next_id = id; // nobody has learned it
        cell.give_fiber(fiber);
        return to_call(Errno::again);
    }
    return static_cast<int64_t>(id.value());
}

// By a fiber on its home core, masked; returns unmasked. Rings, budgets and messages take more stack than a
// small one has.
int64_t spawn_here(const Caller& who, const rumpk_spawn_args& args) {
    for (;;) {
        Fiber* taken = nullptr;
        const int64_t result = who.scheduler.on_kernel_stack([&]() -> int64_t {
            const Requester by{{&who.fiber, who.fiber.id}, who.scheduler.core()};
            const auto found = take_fiber(who.cell, by, args);
            if (!found) {
                return to_call(found.error());
            }
            if (!who.scheduler.is((*found)->core)) {
                return spawn_elsewhere(who.cell, **found, by, args);
            }
            taken = *found;
            return 0;
        });
        if (taken != nullptr) {
            return spawn_taken(who.scheduler, who.fiber, *taken, args);
        }
        if (!parts::cores || result != to_call(Errno::again)) {
            machine().interrupts_restore(1);
            return result;
        }
        wait_for_room(who.scheduler); // its core's, for the fiber
    }
}

// A spawn that has to be looked at closely. Masked; returns unmasked.
[[gnu::noinline]] int64_t spawn_in_full(uint64_t address) {
    const Caller who = caller();
    int64_t result = 0;
    rumpk_spawn_args args;
    if (auto promised = require(who, promises_of_call[RUMPK_CALL_SPAWN], "spawn"); !promised) {
        result = to_call(promised);
    } else if (auto copied = copy_in(who.cell, address, args); !copied) {
        result = to_call(copied);
    } else if (args.size != sizeof args) {
        result = to_call(Errno::inval);
    } else if (parts::views && (args.flags & RUMPK_SPAWN_CELL) != 0) {
        result = spawn_cell(who, args);
        who.scheduler.reschedule();
    } else if (who.cell.at_home()) {
        breathe();
        return spawn_here(who, args);
    } else {
        breathe();
        result = ask_and_wait(who.scheduler, who.cell.home_core(), RequestKind::spawn,
                              [&](Request& request) -> Result<void> {
                                  copy_words(&request.spawn, &args, sizeof args);
                                  return {};
                              });
        who.scheduler.reschedule();
    }
    machine().interrupts_restore(1);
    return result;
}

} // namespace

int64_t spawn_asked(const Requester& by, const rumpk_spawn_args& args) {
    Cell& cell = *by.who.fiber->cell;
    Scheduler& here = this_scheduler();
    const auto taken = take_fiber(cell, by, args);
    if (!taken) {
        return to_call(taken.error());
    }
    if (!here.is((*taken)->core)) {
        return spawn_elsewhere(cell, **taken, by, args);
    }
    const FiberId id = fiber_make(**taken, args, by.who.id);
    here.begin(**taken);
    return static_cast<int64_t>(id.value());
}

} // namespace rumpk

using namespace rumpk;

extern "C" int64_t rumpk_call_spawn(uint64_t address) {
    (void)machine().interrupts_mask();
    const Caller who = caller();
    if (at_hand(who.fiber, address)) [[likely]] {
        rumpk_spawn_args copy;
        const rumpk_spawn_args& args = args_at(address, copy);
        Fiber* const fiber = wants_usual(who, args) ? who.cell.take_fiber() : nullptr;
        if (fiber != nullptr) [[likely]] {
            return spawn_taken(who.scheduler, who.fiber, *fiber, args);
        }
    }
    return spawn_in_full(address);
}

extern "C" int64_t rumpk_call_kill(uint64_t id, uint64_t reason) {
    const InterruptsMasked masked;
    const Caller who = caller();
    if (auto promised = require(who, promises_of_call[RUMPK_CALL_KILL], "kill"); !promised) {
        return to_call(promised);
    }
    if (reason == 0 || reason > RUMPK_KILL_REASON_MAX) {
        return to_call(Errno::inval);
    }
    if (parts::views && FiberId::from_call(id).generation() < FiberId::first_generation) { // a slot
        const int64_t killed = kill_cell(who, id, reason);
        who.scheduler.reschedule();
        return killed;
    }
    auto target = who.cell.find(FiberId::from_call(id));
    if (!target) {
        return to_call(target.error());
    }
    const int64_t result = kill(who, *target, reason);
    who.scheduler.reschedule();
    return result;
}

extern "C" int64_t rumpk_call_halt(uint64_t code, uint64_t scope) {
    const InterruptsMasked masked;
    const Caller who = caller();
    if (scope > RUMPK_SCOPE_MACHINE) {
        return to_call(Errno::inval);
    }
    if (scope == RUMPK_SCOPE_MACHINE) {
        if (who.cell.capabilities[Cell::machine_slot].kind != RUMPK_CAP_MACHINE) {
            return to_call(Errno::perm);
        }
        if (auto promised = require(who, promises_to_halt_machine, "halt of the machine"); !promised) {
            return to_call(promised);
        }
    }
    if (scope == RUMPK_SCOPE_FIBER) {
        end_self(static_cast<int64_t>(code));
    }
    // One cell: with it the machine ends.
    if (!who.cell.at_home()) {
        end_cell_from_here(who.scheduler, {&who.fiber, who.fiber.id}, code);
    }
    if (parts::restart && scope == RUMPK_SCOPE_MACHINE) {
        machine_end_of(who.cell, static_cast<int64_t>(code)); // whatever the cell's supervisor says
    }
    (void)who.scheduler.on_kernel_stack([&]() -> int64_t {
        cell_end(who.cell, static_cast<int64_t>(code));
        return 0;
    });
    breathe(); // an interrupt that comes here does not come back
    leave_for_ever([&] { who.scheduler.forget(who.fiber); });
}
