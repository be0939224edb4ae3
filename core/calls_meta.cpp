// SPDX-License-Identifier: Apache-2.0
// meta: the one read-only window into the kernel.
#include <algorithm>
#include <new>

#include "core/calls.h"
#include "core/channels.h"
#include "core/devices.h"
#include "core/memory.h"
#include "core/remote.h"
#include "core/shares.h"
#include "core/supervisor.h"
#include "core/system.h"

namespace rumpk {

namespace {

// Gives as much as fits and says how much there is. EFAULT.
Result<uint64_t> give(const Cell& cell, uint64_t buffer, uint64_t length, std::span<const std::byte> bytes) {
    if (length != 0) {
        auto range = cell.reach(buffer, std::min<uint64_t>(length, bytes.size()), right_read | right_write);
        if (!range) {
            return error(range.error());
        }
        copy_bytes(range->pointer(), bytes.data(), range->size);
    }
    return bytes.size();
}

template <typename T>
Result<uint64_t> give(const Caller& who, uint64_t buffer, uint64_t length, const T& what) {
    return give(who.cell, buffer, length, std::as_bytes(std::span(&what, 1)));
}

rumpk_meta_self self(const Caller& who) {
    return {.size = sizeof(rumpk_meta_self),
            .cell = who.cell.id().value(),
            .fiber = FiberId{who.fiber.id}.value(),
            .window_base = who.cell.window().base.value(),
            .heap_base = who.cell.heap().base.value(),
            .heap_end = who.cell.heap().end().value(),
            .home_tier = static_cast<uint32_t>(who.cell.home_tier()),
            .home_core = who.cell.home_core().value(),
            .fiber_slots = who.cell.fiber_slots(),
            .promises = Promises{who.cell.promises}.meta_bits()};
}

uint32_t state_of(const Fiber& fiber) {
    const FiberState state = fiber.state;
    switch (state) {
    case FiberState::free:
        break;
    case FiberState::ready: {
        const Scheduler* const its = scheduler_of(fiber.core);
        return its != nullptr && its->running() == &fiber ? RUMPK_FIBER_RUNNING : RUMPK_FIBER_READY;
    }
    case FiberState::waiting:
    case FiberState::asking:
        return RUMPK_FIBER_WAITING;
    }
    return RUMPK_FIBER_FREE;
}

} // namespace

rumpk_meta_system describe_system(const Scheduler& here) {
    const SchedulerStatistics& counted = here.statistics();
    return {.size = sizeof(rumpk_meta_system),
            .cores = machine().boot->cores,
            .uptime_ns = machine().now(),
            .idle_ns = machine().ticks_ns(counted.idle_ticks),
            .switches = counted.switches,
            .preemptions = counted.preemptions,
            .timer_interrupts = counted.timer_interrupts,
            .timer_empty = counted.timer_empty,
            .device_interrupts = counted.device_interrupts,
            .wakes = counted.wakes,
            .memory_total = machine().boot->memory_total,
            .memory_unused = boot_memory().unused(),
            .allocations_after_boot = boot_memory().takes_after_seal()};
}

rumpk_meta_fiber describe_fiber(const Fiber& fiber) {
    const Scheduler& its = *scheduler_of(fiber.core);
    const std::atomic_ref tier(const_cast<Tier&>(fiber.tier)); // its core may demote it just now
    rumpk_meta_fiber answer{.size = sizeof(rumpk_meta_fiber),
                            .tier = static_cast<uint32_t>(tier.load(std::memory_order_relaxed)),
                            .core = CoreId{fiber.core}.value(),
                            .state = state_of(fiber),
                            .id = FiberId{fiber.id}.value(),
                            .switches = fiber.switches,
                            .run_ns = its.run_time(fiber).value(),
                            .name = {},
                            .wake_max_ns = machine().ticks_ns(fiber.wake_ticks),
                            .counted_since_ns = this_scheduler().counts_since().nanoseconds(),
                            .budget = 0,
                            .strikes = 0};
    if (fiber.account() != 0) {
        const Budget& budget = budget_of(fiber);
        answer.budget = budget.index() + 1;
        answer.strikes = budget.strikes();
    }
    __builtin_memcpy(&answer.name, __builtin_assume_aligned(fiber.name, alignof(uint64_t)),
                     sizeof answer.name);
    return answer;
}

namespace {

Result<uint64_t> capability(const Caller& who, uint64_t buffer, uint64_t length, uint64_t slot) {
    const Cell* whose = &who.cell;
    if (parts::managers && slot >= RUMPK_CAP_SLOTS) {
        const auto at = their_slot(who.cell, slot);
        whose = at ? at->cell : nullptr;
        slot = at ? at->slot : 0;
    }
    if (slot >= RUMPK_CAP_SLOTS || (parts::managers && whose == nullptr) ||
        (whose->capabilities[slot].kind == RUMPK_CAP_NONE &&
         (!parts::managers || whose->capabilities[slot].epoch == 0))) {
        return error(Errno::badf);
    }
    const Capability& held = whose->capabilities[slot];
    return give(who, buffer, length,
                rumpk_meta_cap{.size = sizeof(rumpk_meta_cap),
                               .kind = held.kind,
                               .rights = held.rights.bits(),
                               .epoch = held.epoch,
                               .object = held.object});
}

// The cell's home core knows them all, others those that they run. ESRCH, EPERM.
Result<Fiber*> fiber_by(const Caller& who, uint64_t id) {
    if (id == 0) {
        return &who.fiber;
    }
    auto found = who.cell.find(FiberId::from_call(id));
    if (!found) {
        return error(found.error());
    }
    if (!who.cell.at_home() && !owns(who.scheduler, *found)) {
        return error(Errno::perm);
    }
    return found->fiber;
}

// The first fiber's own rings are the boot rings. 0 and 1 are the caller's own.
Result<uint64_t> ring(const Caller& who, uint64_t buffer, uint64_t length, uint64_t index) {
    auto fiber = fiber_by(who, index >> 1);
    if (!fiber) {
        return error(fiber.error());
    }
    const bool tx = (index & 1) != 0;
    if (*fiber == &who.cell.first_fiber()) {
        return give(who, buffer, length, who.cell.describe_boot_ring(tx ? RUMPK_RING_TX : RUMPK_RING_RX));
    }
    return give(who, buffer, length, tx ? (*fiber)->tx : (*fiber)->rx);
}

Result<uint64_t> fiber(const Caller& who, uint64_t buffer, uint64_t length, uint64_t id) {
    auto found = fiber_by(who, id);
    if (!found) {
        return error(found.error());
    }
    if (length < sizeof(rumpk_meta_fiber) || buffer % alignof(rumpk_meta_fiber) != 0) {
        return give(who, buffer, length, describe_fiber(**found));
    }
    const auto range = who.cell.reach(buffer, sizeof(rumpk_meta_fiber), right_read | right_write);
    if (!range) {
        return error(range.error());
    }
    // Made where it is wanted: another copy would be masked as well.
    return (::new (range->pointer()) rumpk_meta_fiber(describe_fiber(**found)))->size;
}

// What a fiber asks for its own id with: the front of rumpk_meta_self.
struct SelfFront {
    uint32_t size;
    uint32_t cell;
    uint64_t fiber;
};
static_assert(sizeof(SelfFront) == offsetof(rumpk_meta_self, fiber) + sizeof(uint64_t));

// On the caller's own stack and aligned, it is given without another look and without
// the kernel's stack. False: not so, or the kernel reaches that stack elsewhere.
bool give_front(const Caller& who, uint64_t buffer) {
    const AddressRange place{VirtAddr{buffer}, sizeof(SelfFront)};
    if (parts::cells || buffer % alignof(SelfFront) != 0 || !who.fiber.stack.contains(place)) {
        return false;
    }
    *static_cast<SelfFront*>(place.pointer()) = {.size = sizeof(rumpk_meta_self),
                                                 .cell = who.cell.id().value(),
                                                 .fiber = FiberId{who.fiber.id}.value()};
    return true;
}

Result<uint64_t> budget(const Caller& who, uint64_t buffer, uint64_t length, uint64_t number) {
    const std::span all = who.cell.budgets.all();
    if (number == 0 || number > all.size()) {
        return error(Errno::inval);
    }
    return give(who, buffer, length, all[number - 1]);
}

Result<uint64_t> channel(const Caller& who, uint64_t buffer, uint64_t length, const CellSlot& at) {
    const Channel* const found = channel_at(*at.cell, static_cast<uint32_t>(at.slot));
    if (found == nullptr) {
        return error(Errno::badf);
    }
    rumpk_meta_channel answer{.size = sizeof(rumpk_meta_channel),
                              .rights = at.cell->capabilities[at.slot].rights.bits(),
                              .base = found->ring.base,
                              .slots = found->ring.slots,
                              .slot_size = found->ring.slot_size,
                              .name = {}};
    std::ranges::copy(found->name, reinterpret_cast<char*>(answer.name));
    return give(who, buffer, length, answer);
}

Result<uint64_t> device(const Caller& who, uint64_t buffer, uint64_t length, const CellSlot& at) {
    const Device* const found = device_at(*at.cell, static_cast<uint32_t>(at.slot));
    return found != nullptr ? give(who, buffer, length, found->facts) : error(Errno::badf);
}

Result<uint64_t> share(const Caller& who, uint64_t buffer, uint64_t length, const CellSlot& at) {
    const rumpk_meta_share* const found = share_at(*at.cell, static_cast<uint32_t>(at.slot));
    return found != nullptr ? give(who, buffer, length, *found) : error(Errno::badf);
}

Result<uint64_t> cell(const Caller& who, uint64_t buffer, uint64_t length, const CellSlot& at) {
    const Cell* const found = managed_at(*at.cell, at.slot);
    if (found == nullptr) {
        return error(Errno::badf);
    }
    rumpk_meta_cell answer{.size = sizeof(rumpk_meta_cell),
                           .state = found->supervisor()->state(),
                           .restarts = found->supervisor()->restart_count(),
                           .name = {}};
    std::ranges::copy(found->name(), reinterpret_cast<char*>(answer.name));
    return give(who, buffer, length, answer);
}

Result<uint64_t> views(const Caller& who, uint64_t buffer, uint64_t length) {
    return give(who, buffer, length,
                rumpk_meta_views{
                    .size = sizeof(rumpk_meta_views), .reserved = 0, .flushes = machine().views->flushes()});
}

// What stands in a slot.
Result<uint64_t> meta_of_slot(const Caller& who, uint64_t op, uint64_t buffer, uint64_t length,
                              uint64_t index) {
    const auto at = slot_by(who.cell, index);
    if (!at) {
        return error(at.error());
    }
    switch (op) {
    case RUMPK_META_CHANNEL:
        return channel(who, buffer, length, *at);
    case RUMPK_META_DEVICE:
        return device(who, buffer, length, *at);
    case RUMPK_META_CELL:
        return cell(who, buffer, length, *at);
    default:
        return share(who, buffer, length, *at);
    }
}

// What there is only beside other cells.
Result<uint64_t> meta_of_several(const Caller& who, uint64_t op, uint64_t buffer, uint64_t length,
                                 uint64_t index) {
    switch (op) {
    case RUMPK_META_CHANNEL:
    case RUMPK_META_DEVICE:
    case RUMPK_META_CELL:
        return meta_of_slot(who, op, buffer, length, index);
    case RUMPK_META_VIEWS:
        return parts::cells ? views(who, buffer, length) : error(Errno::nosys);
    case RUMPK_META_SHARE:
        return parts::shares ? meta_of_slot(who, op, buffer, length, index) : error(Errno::nosys);
    default:
        return error(Errno::nosys);
    }
}

Result<uint64_t> meta(const Caller& who, uint64_t op, uint64_t buffer, uint64_t length, uint64_t index) {
    switch (op) {
    case RUMPK_META_SELF:
        return give(who, buffer, length, self(who));
    case RUMPK_META_CAPS:
        return capability(who, buffer, length, index);
    case RUMPK_META_RING:
        return ring(who, buffer, length, index);
    case RUMPK_META_SYSTEM:
        return give(who, buffer, length, describe_system(who.scheduler));
    case RUMPK_META_FIBER:
        return fiber(who, buffer, length, index);
    case RUMPK_META_BUDGET:
        return budget(who, buffer, length, index);
    case RUMPK_META_ARGS:
        return give(who.cell, buffer, length, std::as_bytes(std::span(boot_options().arguments)));
    case RUMPK_META_VERSION:
        return give(who.cell, buffer, length, std::as_bytes(std::span(version_line())));
    default:
        return parts::views ? meta_of_several(who, op, buffer, length, index) : error(Errno::nosys);
    }
}

// The same in two steps, on the caller's own stack: at user privilege that is the kernel's and large enough.
[[gnu::noinline]] int64_t fiber_in_steps(const Caller& who, uint64_t buffer, uint64_t length, uint64_t id) {
    const auto found = fiber_by(who, id);
    if (!found) {
        return to_call(found.error());
    }
    const rumpk_meta_fiber told = describe_fiber(**found);
    breathe();
    return to_call(give(who, buffer, length, told));
}

} // namespace
} // namespace rumpk

using namespace rumpk;

[[gnu::noinline]] static int64_t meta_in_full(uint64_t op, uint64_t buffer, uint64_t length, uint64_t index) {
    const InterruptsMasked masked;
    const Caller who = caller();
    if (op == RUMPK_META_SELF && length == sizeof(SelfFront) && give_front(who, buffer)) {
        return sizeof(rumpk_meta_self);
    }
    // Who takes no more than the front, up to the name, does not ask for times.
    if (op == RUMPK_META_FIBER && length > offsetof(rumpk_meta_fiber, wake_max_ns)) {
        count_time_everywhere(who.scheduler);
        breathe();
    }
    if (parts::cells && op == RUMPK_META_FIBER) {
        return fiber_in_steps(who, buffer, length, index);
    }
    return who.scheduler.on_kernel_stack(
        [&]() -> int64_t { return to_call(meta(who, op, buffer, length, index)); });
}

// Apart, so that a call that does nothing saves no registers either.
extern "C" int64_t rumpk_call_meta(uint64_t op, uint64_t buffer, uint64_t length, uint64_t index) {
    return op == RUMPK_META_NULL ? 0 : meta_in_full(op, buffer, length, index);
}
