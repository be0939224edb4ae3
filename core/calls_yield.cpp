// SPDX-License-Identifier: Apache-2.0
// yield: the one scheduling call. Bells first, then the wait.
#include "core/calls.h"
#include "core/channels.h"
#include "core/console.h"
#include "core/remote.h"

namespace rumpk {

namespace {

constexpr uint64_t own_channels = RUMPK_CHANNEL_RX | RUMPK_CHANNEL_TX;
static_assert(own_channels == 3, "any mask of own channels is 1 to this");
constexpr uint64_t not_a_channel = 1ULL << 63;

// EINVAL: bit 63. EBADF: a slot that holds no channel. EPERM: the console's, away from home.
Result<void> check_channels(const Caller& who, uint64_t channels) {
    if ((channels & not_a_channel) != 0) {
        return error(Errno::inval);
    }
    for (uint64_t slots = channels & ~own_channels; slots != 0; slots &= slots - 1) {
        const auto slot = static_cast<size_t>(__builtin_ctzll(slots));
        const uint32_t kind = who.cell.capabilities[slot].kind;
        if (kind != RUMPK_CAP_CONSOLE &&
            !(parts::views && (kind == RUMPK_CAP_CHANNEL || kind == RUMPK_CAP_DEVICE))) {
            return error(Errno::badf);
        }
        if (!who.cell.at_home()) {
            return error(Errno::perm);
        }
    }
    return {};
}

struct Peer {
    FiberName fiber{};
    uint64_t channel = 0;
};

uint64_t bell_of(rumpk_fiber_id entry) {
    return (entry & RUMPK_PEER_TX) != 0 ? RUMPK_CHANNEL_TX : RUMPK_CHANNEL_RX;
}

// ESRCH.
Result<Peer> peer_at(Cell& cell, AddressRange ids, uint64_t index) {
    rumpk_fiber_id entry = 0;
    __builtin_memcpy(&entry, static_cast<const std::byte*>(ids.pointer()) + index * sizeof entry,
                     sizeof entry);
    auto fiber = cell.find(FiberId::from_call(entry & ~RUMPK_PEER_TX));
    if (!fiber) {
        return error(fiber.error());
    }
    return Peer{*fiber, bell_of(entry)};
}

// Looks every peer up before any is rung, so that a wrong one changes nothing. Many take long; what the
// caller waits for is looked at afterwards, so nothing that comes meanwhile is missed.
Result<AddressRange> check_peers(Cell& cell, uint64_t address, uint64_t count) {
    if (count > RUMPK_PEERS_MAX) {
        return error(Errno::inval);
    }
    auto ids = cell.reach(address, count * sizeof(rumpk_fiber_id), right_read);
    if (!ids) {
        return error(ids.error());
    }
    for (uint64_t i = 0; i < count; ++i) {
        if (auto peer = peer_at(cell, *ids, i); !peer) {
            return error(peer.error());
        }
        if (i % 4 == 3) {
            breathe();
        }
    }
    return ids;
}

// The other endpoint of a spawned fiber's rings is its spawner; of the first
// fiber's, as of the console slot, the console driver. ESRCH: the spawner has ended.
Result<void> ring_channels(const Caller& who, uint64_t bells) {
    const bool first = &who.fiber == &who.cell.first_fiber();
    if ((bells & own_channels) != 0 && !first) {
        auto spawner = who.cell.find(who.fiber.spawner);
        if (!spawner) {
            return error(spawner.error());
        }
        ring_anywhere(who.scheduler, *spawner, RUMPK_CHANNEL_RX);
    }
    const bool console_ring = first && who.cell.has_console();
    if ((bells & RUMPK_CHANNEL_CONSOLE) != 0 || (console_ring && (bells & own_channels) != 0)) {
        console().bell();
    }
    if (parts::views) {
        ring_channels_of(who.cell, bells);
    }
    return {};
}

Result<void> ring_all(const Caller& who, uint64_t bells, uint64_t address, uint64_t count) {
    if (auto valid = check_channels(who, bells); !valid) {
        return valid;
    }
    AddressRange ids{};
    if (count != 0) {
        auto checked = check_peers(who.cell, address, count);
        if (!checked) {
            return error(checked.error());
        }
        ids = *checked;
    }
    if (auto rung = ring_channels(who, bells); !rung) {
        return rung;
    }
    // Read again rather than kept: the list would not fit on a small stack. Who ended
    // in the meantime needs no bell.
    for (uint64_t i = 0; i < count; ++i) {
        if (auto peer = peer_at(who.cell, ids, i)) {
            ring_anywhere(who.scheduler, peer->fiber, peer->channel);
            breathe();
        }
    }
    return {};
}

// The commonest bell: one peer, named on the caller's own stack. Needs little stack
// itself, so it stays there. Or that one's end is to ring the caller.
Result<void> ring_one(const Caller& who, uint64_t address, bool watch) {
    AddressRange id{VirtAddr{address}, sizeof(rumpk_fiber_id)};
    if (parts::cells || !who.fiber.stack.contains(id)) {
        auto checked = who.cell.reach(address, id.size, right_read);
        if (!checked) {
            return error(checked.error());
        }
        id = *checked;
    }
    auto peer = peer_at(who.cell, id, 0);
    if (!peer) {
        return error(peer.error());
    }
    if (watch) {
        peer->fiber.fiber->watcher = who.fiber.id;
        peer->fiber.fiber->unusual = true;
    } else {
        ring_anywhere(who.scheduler, peer->fiber, peer->channel);
    }
    return {};
}

// The wait is over, in a cell from which something has been taken: perhaps what was waited for.
[[gnu::noinline]] int64_t answer_to_deprived(const Caller& who, uint64_t channels, uint64_t taken) {
    const uint64_t held = still_held(who.cell, taken);
    if (held != 0 || channels == 0) {
        return static_cast<int64_t>(held);
    }
    return to_call(taken == 0 ? Errno::timedout : Errno::badf);
}

int64_t wait_for(const Caller& who, uint64_t channels, Instant deadline) {
    breathe(); // to wait takes as much as may be done masked
    const bool first = &who.fiber == &who.cell.first_fiber();
    const bool console_slot = (channels & RUMPK_CHANNEL_CONSOLE) != 0;
    if (console_slot || (first && who.cell.has_console() && (channels & RUMPK_CHANNEL_RX) != 0)) {
        console().open_input();
    }
    if (parts::views) {
        who.fiber.waits_for = channels; // by this its end finds what follows
        if (auto alone = await_channels(who.fiber, channels); !alone) {
            return to_call(alone);
        }
        breathe(); // a bell that comes now is latched
    }
    if (console_slot) {
        who.cell.console_wait_enter(who.fiber);
    }
    const uint64_t taken = who.scheduler.wait(channels, deadline);
    if (console_slot) {
        who.cell.console_wait_leave(who.fiber);
    }
    if (parts::views) {
        leave_channels(who.fiber, channels);
    }
    if (who.cell.deprived()) [[unlikely]] {
        return answer_to_deprived(who, channels, taken);
    }
    if (taken == 0 && channels != 0) {
        return to_call(Errno::timedout);
    }
    return static_cast<int64_t>(taken);
}

// Nobody is waited for; the core is given up only to a higher tier that was rung.
int64_t take_latched(const Caller& who, uint64_t channels) {
    who.scheduler.reschedule();
    if (parts::views) {
        if (auto alone = await_channels(who.fiber, channels); !alone) {
            return to_call(alone);
        }
    }
    const uint64_t taken = who.fiber.take(channels);
    if (parts::views) {
        leave_channels(who.fiber, channels);
    }
    if (taken == 0 && channels != 0) {
        return to_call(Errno::again);
    }
    return static_cast<int64_t>(taken);
}

} // namespace
} // namespace rumpk

using namespace rumpk;

[[gnu::noinline]] static int64_t yield_in_full(uint64_t wait, uint64_t bell, uint64_t deadline,
                                               uint64_t flags, uint64_t peers, uint64_t count) {
    const InterruptsMasked masked;
    const Caller who = caller();
    const bool watch = (flags & RUMPK_YIELD_END) != 0;
    if ((flags & ~uint64_t{RUMPK_YIELD_NOWAIT | RUMPK_YIELD_BARRIER | RUMPK_YIELD_END}) != 0 ||
        (watch && (bell != 0 || count != 1))) {
        return to_call(Errno::inval);
    }
    if (watch && !who.cell.at_home()) {
        return to_call(Errno::perm);
    }
    if ((flags & RUMPK_YIELD_BARRIER) != 0) {
        barrier_everywhere(who.scheduler);
    }
    if (wait != 0) {
        if (auto valid = check_channels(who, wait); !valid) {
            return to_call(valid);
        }
    }
    if (bell == 0 && count == 1) {
        if (auto rung = ring_one(who, peers, watch); !rung) {
            return to_call(rung);
        }
    } else if (bell != 0 || count != 0) {
        // On the caller's own stack: a message to another core may have to wait for room.
        if (auto rung = ring_all(who, bell, peers, count); !rung) {
            return to_call(rung);
        }
        if (who.cell.deprived() && still_held(who.cell, wait) != wait) {
            return to_call(Errno::badf); // meanwhile
        }
    }
    if ((flags & RUMPK_YIELD_NOWAIT) != 0) {
        return take_latched(who, wait);
    }
    if (wait == 0 && (deadline == 0 || Instant{deadline} <= Instant{machine().now()})) {
        who.scheduler.yield();
        return 0;
    }
    return wait_for(who, wait, Instant{deadline});
}

// Masked. Waits for own channels, without a deadline, and unmasks.
static int64_t wait_for_own(Scheduler& here, uint64_t channels) {
    const uint64_t taken = here.wait(channels, Instant::never());
    machine().interrupts_restore(1);
    return static_cast<int64_t>(taken);
}

// Masked. What ring_and_wait() cannot do; apart from it, which so keeps its arguments where they are.
[[gnu::noinline]] static int64_t ring_and_wait_in_full(uint64_t wait, uint64_t peers) {
    machine().interrupts_restore(1);
    return yield_in_full(wait, 0, RUMPK_NEVER, 0, peers, 1);
}

// Masked. The peer is on another core.
[[gnu::noinline]] static int64_t ring_elsewhere_and_wait(uint64_t wait, uint64_t peers, Scheduler& here,
                                                         Fiber& peer, FiberId id, uint64_t bell) {
    const CoreId core = peer.core;
    if (here.mailbox().reaches(core) && here.mailbox().ask_bell(core, {&peer, id}, bell)) {
        return wait_for_own(this_scheduler(), wait);
    }
    return ring_and_wait_in_full(wait, peers); // that core has no room for the message just now
}

// A message sent and another waited for: one peer, and own channels without a deadline. Where the peer is
// named on the caller's own stack and runs next anyway, the core goes straight to it; where it is on another
// core, a message goes there. The first fiber's wait may have to open the console's input before.
[[gnu::noinline]] static int64_t ring_and_wait(uint64_t wait, uint64_t peers) {
    (void)machine().interrupts_mask();
    Scheduler& here = this_scheduler();
    Fiber& self = *here.running();
    const uint64_t above = peers - self.stack.base.value(); // of what lies below the stack: huge
    if (parts::cells || above > self.stack.size - sizeof(rumpk_fiber_id) ||
        peers % alignof(rumpk_fiber_id) != 0) {
        return ring_and_wait_in_full(wait, peers);
    }
    const rumpk_fiber_id entry = *reinterpret_cast<const rumpk_fiber_id*>(static_cast<uintptr_t>(peers));
    const FiberId id = FiberId::from_call(entry & ~RUMPK_PEER_TX);
    const std::span<Fiber> fibers = self.cell->fibers();
    if (id.slot() >= fibers.size() || (&self == fibers.data() && !console().input_open())) {
        return ring_and_wait_in_full(wait, peers);
    }
    Fiber& peer = fibers.data()[id.slot()];
    if (peer.id == id) {
        if (parts::cores && !here.is(peer.core)) {
            if (id != FiberId::none()) {
                return ring_elsewhere_and_wait(wait, peers, here, peer, id, bell_of(entry));
            }
        } else if ((!parts::cores || peer.owned) && here.leads_to(self, peer, bell_of(entry), wait)) {
            return here.ring_and_wait(peer, bell_of(entry), wait); // who waits is somebody
        }
    }
    return ring_and_wait_in_full(wait, peers);
}

// Ending one's turn is what most calls are: it comes first, without the registers
// that all the rest needs.
extern "C" int64_t rumpk_call_yield(uint64_t wait, uint64_t bell, uint64_t deadline, uint64_t flags,
                                    uint64_t peers, uint64_t count) {
    const uint64_t rest = bell | flags;
    if ((rest | wait | deadline | count) == 0) [[likely]] {
        (void)machine().interrupts_mask();
        return this_scheduler().end_turn();
    }
    if ((rest | ~deadline | (count ^ 1)) == 0 && wait - 1 < own_channels) { // some, and no others
        return ring_and_wait(wait, peers);
    }
    return yield_in_full(wait, bell, deadline, flags, peers, count);
}
