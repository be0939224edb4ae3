// SPDX-License-Identifier: Apache-2.0
// spawn, kill, halt.
#include <algorithm>

#include "core/calls.h"
#include "core/fiber_start.h"
#include "core/scheduler.h"

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

void format_ring(const rumpk_ring_descriptor& ring) {
    if (ring.slots == 0) {
        return;
    }
    const ion::Geometry geometry = *ion::Geometry::make(ring.slots, ring.slot_size);
    auto* const base = reinterpret_cast<std::byte*>(static_cast<uintptr_t>(ring.base));
    ensure(ion::format({base, geometry.bytes()}, geometry).has_value());
}

// Tier, core and flags. EINVAL, EPERM.
Result<Tier> check_place(const Caller& who, const rumpk_spawn_args& args) {
    auto tier = tier_from(args.tier);
    if (!tier || (args.flags & ~uint32_t{RUMPK_SPAWN_BARE}) != 0 || args.reserved != 0) {
        return error(Errno::inval);
    }
    const uint32_t here = who.scheduler.core().value();
    const uint32_t core = args.core == RUMPK_SPAWN_ANY_CORE ? here : args.core;
    if (core >= machine().boot->cores) {
        return error(Errno::inval);
    }
    // One core runs fibers; the others of the machine are asleep.
    const bool allowed_core = core == here && (who.cell.core_set() >> core & 1) != 0;
    const bool home = *tier == who.cell.home_tier() && core == who.cell.home_core().value();
    const bool bare = (args.flags & RUMPK_SPAWN_BARE) != 0;
    if (runs_before(*tier, who.cell.tier_ceiling()) || !allowed_core || (!home && !bare)) {
        return error(Errno::perm);
    }
    return tier;
}

// A stack of the cell's own, or the slot's pooled one. EINVAL, EFAULT.
Result<AddressRange> check_stack(const Cell& cell, const rumpk_spawn_args& args) {
    const uint64_t size = args.stack_size == 0 ? Cell::pooled_stack_size : args.stack_size;
    if (size < smallest_stack || size % 16 != 0 || args.stack_base % 16 != 0) {
        return error(Errno::inval);
    }
    if (args.stack_base == 0) {
        return size <= Cell::pooled_stack_size ? Result<AddressRange>{AddressRange{}} : error(Errno::inval);
    }
    return cell.range(args.stack_base, size, right_read | right_write);
}

Result<FiberId> spawn(const Caller& who, uint64_t address) {
    auto args = copy_in<rumpk_spawn_args>(who.cell, address);
    if (!args) {
        return error(args.error());
    }
    if (args->size != sizeof(rumpk_spawn_args)) {
        return error(Errno::inval);
    }
    auto tier = check_place(who, *args);
    if (!tier) {
        return error(tier.error());
    }
    if (auto entry = who.cell.check_entry(VirtAddr{args->entry}); !entry) {
        return error(entry.error());
    }
    auto stack = check_stack(who.cell, *args);
    if (!stack) {
        return error(stack.error());
    }
    Fiber* const fiber = who.cell.take_fiber();
    if (fiber == nullptr) {
        return error(Errno::nomem);
    }
    auto rings = plan_rings(who.cell.ring_space(fiber->id.slot()), *args);
    if (!rings) {
        who.cell.give_fiber(*fiber);
        return error(rings.error());
    }
    fiber->rx = rings->rx;
    fiber->tx = rings->tx;
    format_ring(fiber->rx);
    format_ring(fiber->tx);
    fiber->tier = *tier;
    fiber->core = who.scheduler.core();
    fiber->spawner = who.fiber.id;
    fiber->stack = stack->empty() ? who.cell.pooled_stack(fiber->id.slot()) : *stack;
    fiber->canary = stack->empty() ? nullptr : static_cast<uint64_t*>(fiber->stack.pointer());
    fiber->entry = reinterpret_cast<rumpk_entry>(static_cast<uintptr_t>(args->entry));
    fiber->argument = args->argument;
    std::copy_n(reinterpret_cast<const char*>(args->name), sizeof fiber->name, fiber->name);
    fiber_prepare(*fiber);
    who.scheduler.make_ready(*fiber);
    return fiber->id;
}

} // namespace
} // namespace rumpk

using namespace rumpk;

extern "C" int64_t rumpk_call_spawn(uint64_t args) {
    const InterruptsMasked masked;
    const Caller who = caller();
    if (auto promised = require(who, promises_of_call[RUMPK_CALL_SPAWN], "spawn"); !promised) {
        return to_call(promised);
    }
    const int64_t id = who.scheduler.on_kernel_stack([&]() -> int64_t { return to_call(spawn(who, args)); });
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
    auto fiber = who.cell.find(FiberId::from_call(id));
    if (!fiber) {
        return to_call(fiber.error());
    }
    const bool self = *fiber == &who.fiber;
    (void)who.scheduler.on_kernel_stack([&]() -> int64_t {
        fiber_end(**fiber, -static_cast<int64_t>(reason));
        return 0;
    });
    if (self) {
        who.scheduler.leave();
    }
    who.scheduler.reschedule();
    return 0;
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
    (void)who.scheduler.on_kernel_stack([&]() -> int64_t {
        if (scope == RUMPK_SCOPE_FIBER) {
            fiber_end(who.fiber, static_cast<int64_t>(code));
        } else {
            // One cell: with it the machine ends.
            cell_end(who.cell, static_cast<int64_t>(code));
        }
        return 0;
    });
    who.scheduler.leave();
}
