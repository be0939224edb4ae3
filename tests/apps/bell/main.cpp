// SPDX-License-Identifier: Apache-2.0
//
// Bells: they latch and coalesce, reach whom they name and nobody else, and a fiber's own rings ring its
// spawner.
#include <array>
#include <chrono>
#include <cstring>
#include <utility>

#include <nexus/fiber.h>
#include <nexus/meta.h>

#include "ion/ring.h"
#include "tests/apps/check.h"

namespace {

using nexus::Errno;
using nexus::error;

constexpr uint64_t both = RUMPK_CHANNEL_RX | RUMPK_CHANNEL_TX;

[[nodiscard]] nexus::Result<uint64_t> look(uint64_t channels) {
    return nexus::call::yield(channels, 0, 0, RUMPK_YIELD_NOWAIT);
}

[[nodiscard]] nexus::Result<uint64_t> ring(std::initializer_list<uint64_t> peers) {
    return nexus::call::yield(0, 0, 0, RUMPK_YIELD_NOWAIT, std::span(peers.begin(), peers.size()));
}

void latches() {
    const uint64_t me = std::to_underlying(nexus::self());
    (void)look(both); // nothing of before
    test::check("nothing is latched", look(both) == error(Errno::again));
    test::check("ringing oneself", ring({me, me, me}) == 0u);
    test::check("a latched bell ends a wait at once",
                nexus::call::yield(RUMPK_CHANNEL_RX, 0, RUMPK_NEVER, 0) == RUMPK_CHANNEL_RX);
    test::check("three bells were one", look(both) == error(Errno::again));
    (void)ring({me | RUMPK_PEER_TX});
    test::check("the second bell is another channel", look(RUMPK_CHANNEL_RX) == error(Errno::again));
    test::check("and stays latched", look(both) == RUMPK_CHANNEL_TX);
    (void)ring({me, me | RUMPK_PEER_TX});
    test::check("both at once", look(both) == both);
    test::check("65 peers are EINVAL", [] {
        static const std::array<uint64_t, 65> peers{};
        return nexus::call::yield(0, 0, 0, RUMPK_YIELD_NOWAIT, peers) == error(Errno::inval);
    }());
    test::check("a wrong peer is ESRCH", ring({me, 0x7fff'0000'0000'0001}) == error(Errno::srch));
    test::check("and nobody was rung", look(both) == error(Errno::again));
}

// Sends each message of its rx back on its tx, with every bit flipped; ends at the first empty one.
void echo(uint64_t) {
    const auto rx = *nexus::meta_ring(nexus::RingEnd::rx);
    const auto tx = *nexus::meta_ring(nexus::RingEnd::tx);
    ion::Consumer in(reinterpret_cast<void*>(rx.base), *ion::Geometry::make(rx.slots, rx.slot_size));
    ion::Producer out(reinterpret_cast<void*>(tx.base), *ion::Geometry::make(tx.slots, tx.slot_size));
    while (true) {
        auto message = in.peek();
        if (!message) {
            (void)nexus::call::yield(RUMPK_CHANNEL_RX, 0, RUMPK_NEVER, 0);
            continue;
        }
        const auto slot = out.claim();
        const size_t size = message->payload.size();
        for (size_t i = 0; i < size; ++i) {
            slot->payload[i] = ~message->payload[i];
        }
        (void)out.publish(message->tag + 1, size);
        (void)in.release();
        (void)nexus::call::yield(0, RUMPK_CHANNEL_TX, 0, RUMPK_YIELD_NOWAIT);
        if (size == 0) {
            return;
        }
    }
}

void own_rings(nexus::Tier tier) {
    const auto fiber = nexus::spawn(
        echo, 0,
        {.name = "echo", .tier = tier, .rx = {4, 64}, .tx = {4, 64}, .bare = tier != nexus::Tier::gravity});
    if (!test::check("a fiber with rings", fiber.has_value())) {
        return;
    }
    const auto rx = nexus::meta_ring(*fiber, nexus::RingEnd::rx);
    const auto tx = nexus::meta_ring(*fiber, nexus::RingEnd::tx);
    test::check("its spawner finds them", rx && tx && rx->slots == 4 && tx->slot_size == 64);
    ion::Producer out(reinterpret_cast<void*>(rx->base), *ion::Geometry::make(rx->slots, rx->slot_size));
    ion::Consumer in(reinterpret_cast<void*>(tx->base), *ion::Geometry::make(tx->slots, tx->slot_size));
    bool right = true;
    for (uint32_t i = 0; i < 100 && right; ++i) {
        const std::byte byte{static_cast<uint8_t>(i)};
        right =
            out.push(i, std::span(&byte, 1)).has_value() && ring({std::to_underlying(*fiber)}).has_value();
        (void)nexus::call::yield(RUMPK_CHANNEL_RX, 0, RUMPK_NEVER, 0); // its bell on its tx reaches us here
        const auto message = in.peek();
        right = right && message && message->tag == i + 1 && message->payload.size() == 1 &&
                message->payload[0] == ~byte && in.release().has_value();
    }
    test::check("a hundred messages there and back", right);
    (void)out.push(0, {});
    (void)ring({std::to_underlying(*fiber)});
    while (nexus::meta_fiber(*fiber)) {
        nexus::yield();
    }
    test::check("an ended fiber is ESRCH", ring({std::to_underlying(*fiber)}) == error(Errno::srch));
}

void many_fibers() {
    static int woken;
    std::array<nexus::Fiber, 8> fibers;
    std::array<uint64_t, 8> peers;
    for (size_t i = 0; i < fibers.size(); ++i) {
        fibers[i] = *nexus::spawn([] {
            (void)nexus::call::yield(RUMPK_CHANNEL_RX, 0, RUMPK_NEVER, 0);
            ++woken;
        });
        peers[i] = std::to_underlying(fibers[i].id());
    }
    nexus::yield();
    test::equal("all sleep", woken, 0);
    (void)nexus::call::yield(0, 0, 0, RUMPK_YIELD_NOWAIT, peers);
    test::equal("a bell in the same tier switches nobody", woken, 0);
    nexus::yield();
    test::equal("one call wakes eight", woken, 8);
}

// A bell and a wait in one call: nobody runs out of turn, and what was rung before ends the wait.
void ring_and_wait(nexus::Tier tier) {
    static int rung;
    static uint64_t main_fiber;
    rung = 0;
    (void)look(both); // nothing of before
    main_fiber = std::to_underlying(nexus::self());
    const auto answers = [](uint64_t times) {
        for (uint64_t i = 0; i < times; ++i) {
            (void)nexus::call::yield(RUMPK_CHANNEL_TX, 0, RUMPK_NEVER, 0);
            ++rung;
            (void)nexus::call::yield(0, 0, 0, RUMPK_YIELD_NOWAIT, std::span(&main_fiber, 1));
        }
    };
    const auto fiber = nexus::spawn(answers, 4, {.tier = tier, .bare = tier != nexus::Tier::gravity});
    const uint64_t peer = std::to_underlying(*fiber) | RUMPK_PEER_TX;
    const auto exchange = [&] {
        return nexus::call::yield(RUMPK_CHANNEL_RX, 0, RUMPK_NEVER, 0, std::span(&peer, 1));
    };
    nexus::sleep_for(std::chrono::milliseconds(1)); // it waits now, whatever its tier
    test::check("rung, and answered", exchange() == RUMPK_CHANNEL_RX && rung == 1);
    test::check("and again", exchange() == RUMPK_CHANNEL_RX && rung == 2);
    (void)ring({main_fiber});
    test::check("a latched bell ends the wait", exchange() == RUMPK_CHANNEL_RX);
    test::equal("and a higher tier ran first, an equal one not yet", rung,
                tier < nexus::Tier::gravity ? 3 : 2);
    if (rung == 2) {
        (void)nexus::call::yield(RUMPK_CHANNEL_RX, 0, RUMPK_NEVER, 0);
    } else {
        (void)look(both);
    }
    static bool other_ran;
    other_ran = false;
    const auto other = nexus::spawn([](uint64_t) { other_ran = true; }, 0);
    test::check("rung while another is ready", other && exchange() == RUMPK_CHANNEL_RX && rung == 4);
    test::check("which had its turn before the one that waited", other_ran);
    while (ring({peer}) == 0) {
        nexus::sleep_for(std::chrono::milliseconds(1)); // it comes to its end, whatever its tier
    }
    test::check("an ended peer is ESRCH, and nothing was waited for", exchange() == error(Errno::srch));
}

} // namespace

int main() {
    latches();
    own_rings(nexus::Tier::gravity);
    own_rings(nexus::Tier::photon);
    many_fibers();
    ring_and_wait(nexus::Tier::gravity);
    ring_and_wait(nexus::Tier::photon);
    ring_and_wait(nexus::Tier::void_);
    return test::result();
}
