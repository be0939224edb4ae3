// SPDX-License-Identifier: Apache-2.0
//
// Thousands of fibers on all cores and in all tiers, for a while: they spawn, end, sleep, ring and kill
// each other, as a seed says. Then all have ended, and every slot is free again.
//
//      soak FIBERS MILLISECONDS SEED
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <nexus/fiber.h>
#include <nexus/meta.h>

#include "tests/apps/check.h"

namespace {

using nexus::Errno;
using nexus::error;
using nexus::FiberId;
using Count = std::atomic<uint64_t>;

constexpr size_t most = 10001; // as cell.toml says
constexpr auto relaxed = std::memory_order_relaxed;

// By slot: the id last seen to live there.
std::array<Count, most> living_at{};

Count begun = 0, returned = 0, killed = 0, missed = 0, rung = 0, slept = 0, turns = 0;
Count alive = 0; // as last counted
std::atomic<bool> stop = false;
uint64_t wanted = 0;
uint32_t cores = 1;

constexpr uint32_t slot_of(uint64_t id) {
    return static_cast<uint32_t>(id);
}

// xorshift64 (Marsaglia, 2003): good enough to scatter, and one word of state.
uint64_t next(uint64_t& state) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

void live(uint64_t seed);

// On any core, in any tier.
[[gnu::noinline]] bool spawn_one(uint64_t random) {
    static constexpr std::array tiers{nexus::Tier::photon, nexus::Tier::matter, nexus::Tier::gravity,
                                      nexus::Tier::void_};
    const auto fiber = nexus::spawn(live, random | 1,
                                    {.name = "soak",
                                     .tier = tiers[random >> 32 & 3],
                                     .core = static_cast<uint32_t>(random >> 40) % cores,
                                     .bare = true});
    if (!fiber) {
        return false;
    }
    living_at[slot_of(std::to_underlying(*fiber))].store(std::to_underlying(*fiber), relaxed);
    return true;
}

[[gnu::noinline]] void kill_one(uint64_t random) {
    const uint64_t id = living_at[1 + (random >> 16) % (most - 1)].load(relaxed);
    const bool hit = id != 0 && nexus::call::kill(static_cast<FiberId>(id), 7);
    (hit ? killed : missed).fetch_add(1, relaxed);
}

[[gnu::noinline]] void ring_one(uint64_t random) {
    const uint64_t id = living_at[1 + (random >> 16) % (most - 1)].load(relaxed);
    if (id != 0 && nexus::call::yield(0, 0, 0, RUMPK_YIELD_NOWAIT, std::span(&id, 1))) {
        rung.fetch_add(1, relaxed);
    }
}

// Until a bell, or for up to a millisecond.
[[gnu::noinline]] void sleep(uint64_t random) {
    const uint64_t until = nexus::deadline_of(nexus::now()) + (random >> 20) % 1'000'000;
    (void)nexus::call::yield(RUMPK_CHANNEL_RX, 0, until, 0);
    slept.fetch_add(1, relaxed);
}

void live(uint64_t seed) {
    const auto self = std::to_underlying(nexus::self());
    living_at[slot_of(self)].store(self, relaxed);
    begun.fetch_add(1, relaxed);
    uint64_t state = seed;
    while (!stop.load(relaxed)) {
        const uint64_t random = next(state);
        turns.fetch_add(1, relaxed);
        switch (random & 15) {
        case 0:
        case 1:
            if (alive.load(relaxed) < wanted) {
                (void)spawn_one(random);
            }
            break;
        case 2:
            kill_one(random);
            break;
        case 3:
        case 4:
            ring_one(random);
            break;
        case 5:
            nexus::yield();
            break;
        case 6:
            returned.fetch_add(1, relaxed);
            return;
        default:
            sleep(random);
        }
    }
    returned.fetch_add(1, relaxed);
}

uint64_t count_alive() {
    uint64_t count = 0;
    for (const Count& id : living_at) {
        count += id != 0 && nexus::meta_fiber(static_cast<FiberId>(id.load(relaxed))) ? 1 : 0;
    }
    alive.store(count, relaxed);
    return count;
}

// Who has ended has also left: every slot but the first fiber's can be taken.
void check_slots() {
    const auto sleeper = [](uint64_t) { nexus::sleep_until(nexus::never); };
    static std::array<FiberId, most> taken;
    size_t count = 0;
    nexus::Result<FiberId> fiber = nexus::spawn(sleeper, 0, {});
    for (; fiber && count < most; fiber = nexus::spawn(sleeper, 0, {})) {
        taken[count++] = *fiber;
    }
    test::check("then no slot is left: ENOMEM", fiber == error(Errno::nomem));
    test::equal("every slot came back", static_cast<long long>(count), most - 1);
    for (size_t i = 0; i < count; ++i) {
        (void)nexus::kill(taken[i]);
    }
}

} // namespace

int main(int argc, char** argv) {
    wanted = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1000;
    const uint64_t milliseconds = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1000;
    uint64_t state = argc > 3 ? std::strtoull(argv[3], nullptr, 10) | 1 : 1;
    cores = nexus::meta_system()->cores;
    const nexus::Instant end = nexus::now() + std::chrono::milliseconds(milliseconds);
    uint64_t most_alive = 0;
    while (nexus::now() < end) {
        most_alive = std::max(most_alive, count_alive());
        for (uint64_t i = alive; i < wanted && i < alive + 1000; ++i) {
            (void)spawn_one(next(state));
        }
        nexus::sleep_for(std::chrono::milliseconds(20));
    }
    stop = true;
    const nexus::Instant limit = nexus::now() + std::chrono::seconds(30);
    while (count_alive() != 0 && nexus::now() < limit) {
        nexus::sleep_for(std::chrono::milliseconds(5));
    }
    const auto number = [](const Count& count) { return static_cast<unsigned long long>(count.load()); };
    std::fprintf(stderr,
                 "%llu begun, at most %llu alive, %llu killed, %llu returned, %llu bells, %llu sleeps\n",
                 number(begun), static_cast<unsigned long long>(most_alive), number(killed), number(returned),
                 number(rung), number(slept));
    test::check("all have ended", alive == 0);
    test::check("some were killed", killed != 0);
    nexus::sleep_for(std::chrono::milliseconds(20)); // the last ones leave
    check_slots();
    return test::result();
}
