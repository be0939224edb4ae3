// SPDX-License-Identifier: Apache-2.0
//
//   crowd N, crowds N    a Photon fiber wakes N times while the rest of the system does what it can
//
// As tests/apps/wake, with the cells beside. At the end it says how late the fiber ever was, in nanoseconds,
// which are instructions there, and how often the cell beside has begun anew.
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include <nexus/meta.h>

#include "tests/apps/crowd/sleepers.h"

namespace {

constexpr uint32_t lives_slot = 4;
constexpr uint64_t sleepers = 16'290;

uint64_t wakes = 0;
bool stop = false;
nexus::Duration latest{}; // from a moment that was asked for to the fiber's own first instructions

} // namespace

// The first instruction of the woken fiber's own.
extern "C" [[gnu::noinline]] void wake_mark() {
    wakes = wakes + 1;
    asm volatile("" ::: "memory");
}

namespace {

// Photon.
void wake(uint64_t seed) {
    while (!stop) {
        const nexus::Instant moment =
            nexus::now() + nexus::Duration(4'000 + crowd::next_random(seed) % 16'384);
        nexus::sleep_until(moment);
        wake_mark();
        latest = std::max(latest, nexus::Duration(nexus::now() - moment));
    }
}

// Void: never yields.
void spin(uint64_t) {
    for (;;) {
        asm volatile("" ::: "memory");
    }
}

void end_at_once(uint64_t) {}

// Gravity, with its own deadlines: spawns, lets end, kills, prints.
void disturb(uint64_t wanted) {
    const nexus::FiberOptions bare = {.name = "short", .bare = true};
    for (uint64_t round = 0; wakes < wanted; ++round) {
        (void)nexus::spawn(end_at_once, 0, bare);
        const auto victim = nexus::spawn(crowd::sleep_again, round, bare);
        nexus::yield();
        if (victim) {
            (void)nexus::kill(*victim);
        }
        if (round % 16 == 0) {
            std::printf("round %" PRIu64 ", a line of text for the console that is not short\n", round);
            std::fflush(stdout);
        }
        nexus::sleep_for(nexus::Duration(30'000));
    }
}

} // namespace

int main(int argc, char** argv) {
    const uint64_t wanted = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000;
    const bool began =
        crowd::spawn_sleepers(sleepers, 5) == sleepers &&
        nexus::spawn(spin, 0, {.name = "spinning", .tier = nexus::Tier::void_, .bare = true}) &&
        nexus::spawn(spin, 0, {.name = "never", .tier = nexus::Tier::void_, .bare = true}) &&
        nexus::spawn(wake, 1, {.name = "photon", .tier = nexus::Tier::photon, .bare = true});
    const uint32_t life = nexus::meta_capability(lives_slot)->epoch;
    disturb(wanted);
    stop = true;
    std::printf("\nlate %lld\n", static_cast<long long>(latest.count()));
    std::printf("lives %" PRIu32 "\n", nexus::meta_capability(lives_slot)->epoch - life);
    return began ? 0 : 1;
}
