// SPDX-License-Identifier: Apache-2.0
//
// Who runs when: first in, first out inside a tier, a higher tier at once, a lower one when nobody else can.
#include <cstring>
#include <utility>

#include <nexus/fiber.h>

#include "tests/apps/check.h"

namespace {

char trace[256];
size_t traced = 0;

void note(char who) {
    if (traced < sizeof trace - 1) {
        trace[traced++] = who;
    }
}

bool traced_so(const char* wanted) {
    trace[traced] = '\0';
    traced = 0;
    if (std::strcmp(trace, wanted) != 0) {
        std::printf("saw %s, wanted %s\n", trace, wanted);
        return false;
    }
    return true;
}

void inside_a_tier() {
    nexus::Fiber fibers[3];
    for (int i = 0; i < 3; ++i) {
        fibers[i] = *nexus::spawn([i] {
            for (int turn = 0; turn < 3; ++turn) {
                note(static_cast<char>('a' + i));
                nexus::yield();
            }
        });
    }
    note('m');
    for (nexus::Fiber& fiber : fibers) {
        (void)fiber.join();
    }
    note('m');
    test::check("a tier takes turns in order", traced_so("mabcabcabcm"));
}

void across_tiers() {
    using nexus::Tier;
    const auto start = [](Tier tier, char who) {
        return *nexus::spawn([who] { note(who); }, {.tier = tier, .bare = tier != Tier::gravity});
    };
    auto lower = start(Tier::void_, 'v');
    note('1');
    auto same = start(Tier::gravity, 'g');
    note('2');
    auto higher = start(Tier::matter, 'm');
    note('3');
    auto highest = start(Tier::photon, 'p');
    note('4');
    nexus::yield();
    note('5');
    (void)lower.join();
    test::check("tiers run in order", traced_so("12m3p4g5v"));
    test::check("all have ended", same.join() == 0 && higher.join() == 0 && highest.join() == 0);
}

// A higher fiber that a bell makes ready interrupts; who was interrupted goes on before others of its tier.
void overtaken_first_again() {
    const auto me = std::to_underlying(nexus::self());
    auto photon = *nexus::spawn(
        [] {
            (void)nexus::call::yield(RUMPK_CHANNEL_RX, 0, RUMPK_NEVER, 0);
            note('p');
        },
        {.tier = nexus::Tier::photon, .bare = true});
    auto other = *nexus::spawn([] { note('o'); });
    const uint64_t peer = std::to_underlying(photon.id());
    note('1');
    (void)nexus::call::yield(0, 0, 0, RUMPK_YIELD_NOWAIT, std::span(&peer, 1));
    note('2');
    (void)other.join();
    test::check("who was overtaken goes on first", traced_so("1p2o"));
    test::check("the photon fiber has ended", photon.join() == 0);
    test::check("the caller knows itself", me == std::to_underlying(nexus::self()));
}

} // namespace

int main() {
    inside_a_tier();
    across_tiers();
    overtaken_first_again();
    return test::result();
}
