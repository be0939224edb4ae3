// SPDX-License-Identifier: Apache-2.0
//
// Thousands of fibers on all cores and in all tiers, for a while: they spawn, end, sleep, ring and kill
// each other, as a seed says. A ledger has what became of each; in the end it is compared with what the
// kernel says: no life has been lost, no end forgotten, no bell, no slot, no stack.
//
//      soak FIBERS MILLISECONDS [SEED]      without a seed, a random one; it is printed
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <nexus/fiber.h>
#include <nexus/meta.h>
#include <nexus/random.h>

#include "ion/consumer.h"
#include "tests/apps/check.h"
#include "tests/apps/soak/ledger.h"

namespace {

using namespace soak;
using nexus::Errno;
using nexus::error;
using nexus::FiberId;
using std::chrono::milliseconds;

// For people. Who is killed between a deed and its count is not in them.
struct Seen {
    Count spawned = 0, killed = 0, missed = 0, rung = 0, slept = 0, turns = 0, told = 0;
} seen;

std::atomic<uint64_t> alive = 0; // as last counted
std::atomic<bool> stop = false;
uint64_t wanted = 0;
uint32_t reach = 0; // slots that are rung and killed: those that are used
uint32_t cores = 1;

// xorshift64 (Marsaglia, 2003): good enough to scatter, and one word of state.
uint64_t next(uint64_t& state) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

// ---- what they do: on any core, in any tier, on a stack of 1 KiB -----------------------------------
//
// Each deed returns true, so that it can be the last call of take_turn().

void live(uint64_t seed);

uint32_t some_slot(uint64_t random) {
    return 1 + static_cast<uint32_t>((random >> 16) % reach);
}

[[gnu::noinline]] bool spawn_one(uint64_t random) {
    static constexpr std::array tiers{nexus::Tier::photon, nexus::Tier::matter, nexus::Tier::gravity,
                                      nexus::Tier::void_};
    const auto fiber = nexus::spawn(live, random | 1,
                                    {.name = "soak",
                                     .tier = tiers[random >> 32 & 3],
                                     .core = static_cast<uint32_t>(random >> 40) % cores,
                                     .bare = true});
    if (!fiber) {
        wrong.refused.fetch_add(fiber.error() != Errno::nomem, relaxed);
        return true;
    }
    enroll(std::to_underlying(*fiber));
    seen.spawned.fetch_add(1, relaxed);
    return true;
}

[[gnu::noinline]] bool kill_one(uint32_t slot) {
    const uint64_t id = sentence(slot);
    if (id == 0) {
        return true;
    }
    if (const auto killed = nexus::call::kill(static_cast<FiberId>(id), reason_for(slot)); killed) {
        confirm(id);
        seen.killed.fetch_add(1, relaxed);
    } else {
        wrong.refused.fetch_add(killed.error() != Errno::srch, relaxed);
        seen.missed.fetch_add(1, relaxed);
    }
    return true;
}

[[gnu::noinline]] bool ring_one(uint32_t number) {
    Slot& slot = slots[number];
    const uint64_t word = slot.word.load(relaxed);
    if (fate_of(word) != Fate::alive) {
        return true;
    }
    const uint64_t id = id_in(number, word);
    const uint32_t wakes = slot.wakes.load(relaxed);
    if (const auto rung = nexus::call::yield(0, 0, 0, RUMPK_YIELD_NOWAIT, std::span(&id, 1)); rung) {
        slot.owed.store(wakes + 1, relaxed); // this bell or a later one
        seen.rung.fetch_add(1, relaxed);
    } else {
        wrong.refused.fetch_add(rung.error() != Errno::srch, relaxed);
    }
    return true;
}

// Until a bell or a deadline, whichever of them there is; a deadline up to a millisecond away.
[[gnu::noinline]] bool sleep(uint64_t self, uint64_t channels, uint64_t random) {
    const uint64_t until =
        random == RUMPK_NEVER ? RUMPK_NEVER : nexus::deadline_of(nexus::now()) + (random >> 20) % 1'000'000;
    const auto woken = nexus::call::yield(channels, 0, until, 0);
    if (woken && *woken != 0) {
        slots[slot_of(self)].wakes.fetch_add(1, relaxed);
    } else if (nexus::deadline_of(nexus::now()) < until) {
        wrong.early.fetch_add(1, relaxed);
    }
    seen.slept.fetch_add(1, relaxed);
    return true;
}

// False: it has lived long enough. Nothing but the last calls of others: it takes no stack.
[[gnu::noinline]] bool take_turn(uint64_t self, uint64_t random) {
    seen.turns.fetch_add(1, relaxed);
    switch (random & 15) {
    case 0:
    case 1:
        return alive.load(relaxed) >= wanted || spawn_one(random);
    case 2:
        return kill_one(some_slot(random));
    case 3:
    case 4:
        return ring_one(some_slot(random));
    case 5:
        return sleep(self, 0, 0);
    case 6:
        return false;
    case 7:
        return sleep(self, RUMPK_CHANNEL_RX, RUMPK_NEVER);
    case 8:
    case 9:
        return sleep(self, 0, random);
    default:
        return sleep(self, RUMPK_CHANNEL_RX, random);
    }
}

void live(uint64_t seed) {
    const auto self = std::to_underlying(nexus::self());
    volatile uint64_t mark = self; // on a stack that is nobody else's
    enroll(self);
    slots[slot_of(self)].wakes.fetch_add(1, relaxed);
    uint64_t state = seed;
    do {
        check_alive(self);
        if (mark != self) {
            wrong.robbed.fetch_add(1, relaxed);
        }
    } while (!stop.load(relaxed) && take_turn(self, next(state)));
    while (!decide_to_return(self)) {
        nexus::sleep_until(nexus::never); // until it is killed
    }
}

// ---- what the first fiber does and sees -------------------------------------------------------------

ion::Consumer& events() {
    const rumpk_ring_descriptor& ring = nexus::systable().ring[RUMPK_RING_EVENT];
    static ion::Consumer consumer(reinterpret_cast<std::byte*>(static_cast<uintptr_t>(ring.base)),
                                  *ion::Geometry::make(ring.slots, ring.slot_size));
    return consumer;
}

// Ends that the kernel tells of. Not of all, for what finds no room in the ring is dropped.
uint64_t hear() {
    uint64_t heard = 0;
    for (; const auto message = events().peek(); ++heard) {
        rumpk_event_fiber_end end{};
        if (message->tag == RUMPK_EVENT_FIBER_END && message->payload.size() >= sizeof end) {
            std::memcpy(&end, message->payload.data(), sizeof end);
            told_of_end(end.fiber, end.code);
        } else {
            wrong.told_wrong.fetch_add(1, relaxed);
        }
        (void)events().release();
    }
    seen.told.fetch_add(heard, relaxed);
    return heard;
}

template <typename Condition>
uint64_t count_slots(Condition condition) {
    uint64_t count = 0;
    for (uint32_t slot = 1; slot < most; ++slot) {
        count += condition(slot, slots[slot].word.load(relaxed)) ? 1 : 0;
    }
    return count;
}

bool lives(uint32_t, uint64_t word) {
    return fate_of(word) == Fate::alive || fate_of(word) == Fate::sentenced;
}

// Rung, and has taken no bell since.
bool owes(uint32_t slot, uint64_t word) {
    const Slot& place = slots[slot];
    return fate_of(word) == Fate::alive &&
           static_cast<int32_t>(place.wakes.load(relaxed) - place.owed.load(relaxed)) < 0;
}

bool is_known_to_kernel(uint32_t slot, uint64_t word) {
    return word != 0 && nexus::meta_fiber(static_cast<FiberId>(id_in(slot, word)));
}

// Until the condition holds; false: it does not, and that for far too long.
template <typename Condition>
bool soon(Condition condition) {
    const nexus::Instant limit = nexus::now() + std::chrono::seconds(30);
    while (!condition()) {
        if (nexus::now() > limit) {
            return false;
        }
        hear();
        nexus::sleep_for(milliseconds(5));
    }
    return true;
}

uint64_t run(uint64_t duration_ms, uint64_t state) {
    const nexus::Instant end = nexus::now() + milliseconds(duration_ms);
    uint64_t most_alive = 0;
    for (uint32_t round = 0; nexus::now() < end; ++round) {
        hear();
        if (round % 10 == 0) {
            alive = count_slots(lives);
            most_alive = std::max<uint64_t>(most_alive, alive);
            for (uint64_t i = alive; i < wanted && i < alive + 1000; ++i) {
                (void)spawn_one(next(state));
            }
        }
        nexus::sleep_for(milliseconds(2));
    }
    return most_alive;
}

// All of them come to their end, but for those that sleep until they are rung, or killed.
void end_all() {
    stop = true;
    test::check("no bell is lost", soon([] { return count_slots(owes) == 0; }));
    const bool ended = soon([] {
        for (uint32_t slot = 1; slot < most; ++slot) {
            if (const Fate fate = fate_of(slots[slot].word.load(relaxed)); fate == Fate::alive) {
                ring_one(slot);
            } else if (fate == Fate::sentenced) {
                kill_one(slot);
            }
        }
        return count_slots(is_known_to_kernel) == 0;
    });
    test::check("all have ended", ended);
    // A sentence that nobody had to carry out any more: it was, and who did it was killed then.
    test::equal("none of them without a fate",
                static_cast<long long>(
                    count_slots([](uint32_t, uint64_t word) { return fate_of(word) == Fate::alive; })),
                0);
}

void say_what_was(uint64_t most_alive) {
    uint64_t lived = 0;
    uint64_t returned = 0;
    for (const Slot& slot : slots) {
        lived += generation_of(slot.word.load(relaxed));
        returned += returned_of(slot.word.load(relaxed));
    }
    const auto number = [](const auto& count) { return static_cast<unsigned long long>(count); };
    std::fprintf(
        stderr,
        "%llu lives, at most %llu at a time: %llu returned, %llu were killed; the kernel told of %llu\n"
        "%llu turns, %llu bells, %llu sleeps, %llu kills too late\n",
        number(lived), number(most_alive), number(returned), number(lived - returned), number(seen.told),
        number(seen.turns), number(seen.rung), number(seen.slept), number(seen.missed));
    test::check("more lives than at a time, and some were killed", lived > wanted && seen.spawned <= lived &&
                                                                       lived - returned >= seen.killed &&
                                                                       seen.killed > 0);
}

std::array<uint64_t, most> stacks{}; // by slot: an address in the last sleeper's

void sleeper(uint64_t) {
    volatile uint64_t here = std::to_underlying(nexus::self());
    stacks[slot_of(here)] = reinterpret_cast<uintptr_t>(&here);
    for (;;) {
        nexus::sleep_until(nexus::never);
    }
}

// Every slot but the first fiber's can be taken, by the life that is next by the ledger, with a stack of its
// own; then each is told of once.
void check_slots() {
    uint64_t taken = 0;
    uint64_t expected = 0;
    nexus::Result<FiberId> fiber = nexus::spawn(sleeper, 0);
    for (; fiber && taken < most; fiber = nexus::spawn(sleeper, 0)) {
        const auto id = std::to_underlying(*fiber);
        const uint64_t word = slots[slot_of(id)].word.load(relaxed);
        expected += generation_of(word) + 1 == generation_of(id);
        enroll(id);
        ++taken;
    }
    test::check("then no slot is left: ENOMEM", fiber == error(Errno::nomem));
    test::equal("every slot came back", static_cast<long long>(taken), most - 1);
    test::equal("and had as many lives as the ledger has", static_cast<long long>(expected), most - 1);

    nexus::yield(); // all of them, which are of this tier, run up to their sleep
    std::ranges::sort(stacks);
    uint64_t apart = 0;
    for (size_t i = 2; i < most; ++i) { // 0 is the first fiber's, and 0
        apart += stacks[i] - stacks[i - 1] >= 1024;
    }
    test::equal("each with a stack of its own", static_cast<long long>(apart), most - 2);

    uint64_t told = 0;
    hear();
    for (uint32_t slot = 1; slot < most; ++slot) {
        kill_one(slot);
        told += slot % 32 == 0 || slot == most - 1 ? hear() : 0;
    }
    test::equal("each end is told of once", static_cast<long long>(told), most - 1);
}

void check_wrongs() {
    const auto none = [](const char* name, const Count& count) {
        test::equal(name, static_cast<long long>(count.load()), 0);
    };
    none("no life ended by itself", wrong.vanished);
    none("none was lived unseen", wrong.unheard_of);
    none("nobody ran after its end", wrong.undead);
    none("nobody lost slot or stack", wrong.robbed);
    none("nobody woke too early", wrong.early);
    none("no call failed that may not", wrong.refused);
    none("no end was told of twice", wrong.told_twice);
    none("no end was told of wrongly", wrong.told_wrong);
}

} // namespace

int main(int argc, char** argv) {
    wanted = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1000;
    const uint64_t duration_ms = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1000;
    const uint64_t seed =
        argc > 3 ? std::strtoull(argv[3], nullptr, 10) : nexus::random<uint32_t>().value_or(1);
    std::fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(seed));
    reach = static_cast<uint32_t>(std::min<uint64_t>(most - 1, wanted + wanted / 4));
    const rumpk_meta_system before = *nexus::meta_system();
    cores = before.cores;
    const uint64_t most_alive = run(duration_ms, seed | 1);
    end_all();
    say_what_was(most_alive);
    check_slots();
    check_wrongs();
    const rumpk_meta_system after = *nexus::meta_system();
    test::check("memory is as it was", after.memory_unused == before.memory_unused &&
                                           after.memory_total == before.memory_total &&
                                           after.allocations_after_boot == 0);
    return test::result();
}
