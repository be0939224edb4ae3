// SPDX-License-Identifier: Apache-2.0
// spawn, kill, halt.
#include "core/calls.h"
#include "core/fiber_start.h"
#include "core/remote.h"

namespace rumpk {

namespace {

constexpr uint64_t smallest_stack = 1024;

struct RingPlan {
    rumpk_ring_descriptor rx{};
    rumpk_ring_descriptor tx{};
};

// Both rings stand in the slot's ring space, each at a cache line. EINVAL: a
// geometry that is none. ERANGE: they do not fit.
Result<RingPlan> plan_rings(AddressRange space, const rumpk_spawn_args& args) {
    RingPlan plan;
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
    if (auto rx = place(plan.rx, args.rx_slots, args.rx_slot_size); !rx) {
        return error(rx.error());
    }
    if (auto tx = place(plan.tx, args.tx_slots, args.tx_slot_size); !tx) {
        return error(tx.error());
    }
    return plan;
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

// Its own rings and its budget, where it has any. As give_budget and plan_rings. Apart, for it takes as much
// stack as all the rest.
[[gnu::noinline]] Result<void> give_more(Cell& cell, Fiber& fiber, uint16_t spawners_budget,
                                         const rumpk_spawn_args& args) {
    auto rings = plan_rings(cell.ring_space(cell.slot_of(fiber)), args);
    if (!rings) {
        return error(rings.error());
    }
    if ((args.budget | spawners_budget) != 0) {
        if (auto budget = give_budget(cell, fiber, spawners_budget, args); !budget) {
            return budget;
        }
    }
    fiber.rx = rings->rx;
    fiber.tx = rings->tx;
    format_ring(cell, fiber.rx);
    format_ring(cell, fiber.tx);
    return {};
}

// Most fibers have neither: their spawn needs little stack.
[[gnu::always_inline]] inline bool wants_more(const rumpk_spawn_args& args, const Fiber& spawner) {
    return (args.rx_slots | args.rx_slot_size | args.tx_slots | args.tx_slot_size | args.budget |
            spawner.account()) != 0;
}

// Makes the fiber, except for giving it to its core. On the home core. `more`: as wants_more() says.
[[gnu::always_inline]] inline Result<Fiber*> make_fiber(Cell& cell, const Requester& by,
                                                        const rumpk_spawn_args& args, bool more) {
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
    fiber->rx = {};
    fiber->tx = {};
    if (more) [[unlikely]] {
        if (auto given = give_more(cell, *fiber, by.who.fiber->account(), args); !given) {
            cell.give_fiber(*fiber);
            return error(given.error());
        }
    }
    fiber->core = place->core;
    fiber->spawner = by.who.id;
    const bool pooled = stack->empty();
    fiber->stack = pooled ? cell.pooled_stack(cell.slot_of(*fiber)) : *stack;
    const bool guarded = pooled && cell.stacks_guarded() && Cell::rights_hold(parts::cells);
    fiber->canary = guarded ? nullptr : static_cast<uint64_t*>(fiber->stack.pointer());
    fiber->entry = reinterpret_cast<rumpk_entry>(static_cast<uintptr_t>(args.entry));
    fiber->argument = args.argument;
    __builtin_memcpy(fiber->name, args.name, sizeof fiber->name);
    fiber_prepare(*fiber);
    cell.name_fiber(*fiber);
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
        machine().interrupts_restore(1);
        (void)machine().interrupts_mask();
        if (!owns(who.scheduler, target)) {
            return 0;
        }
    }
    return who.scheduler.on_kernel_stack([&]() -> int64_t {
        fiber_end(*target.fiber, code);
        return 0;
    });
}

// A cell's new fiber, made and given to its core. Masked, on the home core; with a stack of some depth if
// it is for another core, or wants `more`. Returns what the call does; EAGAIN: its core has no room for the
// message.
int64_t spawn_at_home(Cell& cell, const Requester& by, const rumpk_spawn_args& args, bool more) {
    auto made = make_fiber(cell, by, args, more);
    if (!made) {
        return to_call(made.error());
    }
    Fiber& fiber = **made;
    const FiberId id = fiber.id;
    Scheduler& here = this_scheduler();
    if (here.is(fiber.core)) {
        here.begin(fiber);
    } else if (!here.mailbox().ask(fiber.core, RequestKind::adopt,
                                   {.target = {&fiber, id}, .value = 0, .requester = {}, .spawn = {}})) {
        fiber.generation = id.generation(); // nobody has learned it
        cell.give_fiber(fiber);
        return to_call(Errno::again);
    }
    return static_cast<int64_t>(id.value());
}

// By a fiber on its home core. A fiber on another core takes a message, which needs more stack than a small
// one has, and so do rings and budgets.
int64_t spawn_here(const Caller& who, const rumpk_spawn_args& args) {
    const Requester by{{&who.fiber, who.fiber.id}, who.scheduler.core()};
    const bool elsewhere = args.core != RUMPK_SPAWN_ANY_CORE && !who.scheduler.is(CoreId{args.core});
    const bool more = wants_more(args, who.fiber);
    if (!elsewhere && !more) [[likely]] {
        return spawn_at_home(who.cell, by, args, false);
    }
    for (;;) {
        const int64_t id = who.scheduler.on_kernel_stack(
            [&]() -> int64_t { return spawn_at_home(who.cell, by, args, more); });
        if (id != to_call(Errno::again)) {
            return id;
        }
        wait_for_room(who.scheduler); // its core's, for the fiber
    }
}

// On the caller's own stack, where they are nearly always, they need no other look, but where cells are
// apart; and where nobody runs meanwhile they are read where they lie. Else they are copied once and whole.
// EFAULT, EINVAL.
Result<const rumpk_spawn_args*> take_args(const Caller& who, uint64_t address, rumpk_spawn_args& copy) {
    const AddressRange place{VirtAddr{address}, sizeof copy};
    const rumpk_spawn_args* args = &copy;
    if (!parts::cells && address % alignof(rumpk_spawn_args) == 0 && who.fiber.stack.contains(place))
        [[likely]] {
        if (parts::cores) {
            copy_words(&copy, place.pointer(), sizeof copy);
        } else {
            args = static_cast<const rumpk_spawn_args*>(place.pointer());
        }
    } else if (auto copied = copy_in(who.cell, address, copy); !copied) {
        return error(copied.error());
    }
    if (args->size != sizeof copy) {
        return error(Errno::inval);
    }
    return args;
}

} // namespace

int64_t spawn_asked(const Requester& by, const rumpk_spawn_args& args) {
    return spawn_at_home(*by.who.fiber->cell, by, args, wants_more(args, *by.who.fiber));
}

} // namespace rumpk

using namespace rumpk;

extern "C" int64_t rumpk_call_spawn(uint64_t address) {
    const InterruptsMasked masked;
    const Caller who = caller();
    if (auto promised = require(who, promises_of_call[RUMPK_CALL_SPAWN], "spawn"); !promised) {
        return to_call(promised);
    }
    rumpk_spawn_args copy;
    const auto args = take_args(who, address, copy);
    if (!args) {
        return to_call(args.error());
    }
    int64_t id = 0;
    if (parts::views && ((*args)->flags & RUMPK_SPAWN_CELL) != 0) {
        id = spawn_cell(who, **args);
    } else if (who.cell.at_home()) [[likely]] {
        id = spawn_here(who, **args);
    } else {
        id = ask_and_wait(who.scheduler, who.cell.home_core(), RequestKind::spawn,
                          [&](Request& request) -> Result<void> {
                              request.spawn = **args;
                              return {};
                          });
    }
    who.scheduler.reschedule();
    return id;
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
    if (parts::views && id < RUMPK_CAP_SLOTS) { // no fiber has such an id
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
    leave_for_ever([&] {
        cell_end(who.cell, static_cast<int64_t>(code));
        who.scheduler.forget(who.fiber);
    });
}
