// SPDX-License-Identifier: Apache-2.0
//
// Deadlines: wakes come in their order and never early, ties in order of insertion, the past returns at
// once, and a wake that comes first cancels the deadline.
#include <cstring>
#include <utility>

#include <nexus/fiber.h>
#include <nexus/meta.h>

#include "tests/apps/check.h"

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int sleepers = 6;

char trace[sleepers + 1];
size_t traced = 0;
bool early = false;
bool late = false; // asleep only after the first deadline: says nothing of the order

void sleep_and_wake(milliseconds lead) {
    const nexus::Instant start = nexus::now();
    constexpr int delay_ms[sleepers] = {25, 5, 20, 10, 15, 5};
    nexus::Fiber fibers[sleepers];
    traced = 0;
    late = false;
    for (int i = 0; i < sleepers; ++i) {
        const nexus::Instant when = start + lead + milliseconds(delay_ms[i]);
        fibers[i] = *nexus::spawn([=] {
            late |= nexus::now() >= start + lead;
            nexus::sleep_until(when);
            early |= nexus::now() < when;
            trace[traced++] = static_cast<char>('a' + i);
        });
    }
    for (nexus::Fiber& fiber : fibers) {
        (void)fiber.join();
    }
}

// A busy host may stop the whole machine for longer than fibers take to begin: then again, with more time.
void ordered_wakes() {
    milliseconds lead{30};
    do {
        sleep_and_wake(lead);
        lead *= 2;
    } while (late && lead < seconds(5));
    if (!test::check("wakes in order, ties as inserted", std::strcmp(trace, "bfdeca") == 0)) {
        std::printf("saw %s\n", trace);
    }
    test::check("none was early", !early);
}

void past_and_none() {
    const nexus::Instant start = nexus::now();
    test::check("a wait until the past is ETIMEDOUT",
                nexus::call::yield(RUMPK_CHANNEL_RX, 0, 1, 0) == nexus::error(nexus::Errno::timedout));
    test::check("a sleep until the past", nexus::call::yield(0, 0, 1, 0) == 0u);
    test::check("neither waits", nexus::now() - start < milliseconds(500));
    const auto when = nexus::deadline_of(nexus::now() + milliseconds(5));
    test::check("a deadline that passes is ETIMEDOUT",
                nexus::call::yield(RUMPK_CHANNEL_RX, 0, when, 0) == nexus::error(nexus::Errno::timedout));
    test::check("it is not early", nexus::deadline_of(nexus::now()) >= when);
}

// The kernel's timer must not fire for a deadline whose wait has ended.
void cancelled() {
    const auto before = nexus::meta_system();
    auto sleeper = *nexus::spawn([] {
        (void)nexus::call::yield(RUMPK_CHANNEL_RX, 0, nexus::deadline_of(nexus::now() + milliseconds(40)), 0);
    });
    nexus::yield();
    const uint64_t peer = std::to_underlying(sleeper.id());
    (void)nexus::call::yield(0, 0, 0, RUMPK_YIELD_NOWAIT, std::span(&peer, 1));
    const nexus::Instant start = nexus::now();
    test::check("a bell ends the wait", sleeper.join() == 0 && nexus::now() - start < milliseconds(40));
    nexus::sleep_for(milliseconds(60));
    const auto after = nexus::meta_system();
    test::check("no timer interrupt served nothing",
                before && after && before->timer_empty == after->timer_empty);
    test::equal("one timer interrupt for one sleep",
                static_cast<long long>(after->timer_interrupts - before->timer_interrupts), 1);
}

void joins() {
    auto sleeper = *nexus::spawn([] { nexus::sleep_for(seconds(30)); });
    const auto outcome = sleeper.join(nexus::now() + milliseconds(5));
    test::check("a join ends at its deadline", outcome == nexus::error(nexus::Errno::timedout));
    test::check("kill", sleeper.kill(7).has_value());
    test::check("a join sees the reason", sleeper.join() == -7);
    auto quitter = *nexus::spawn([] { nexus::exit_fiber(42); });
    test::check("a join sees what exit_fiber was given", quitter.join() == 42);
    test::check("a second kill is ESRCH", sleeper.kill(7) == nexus::error(nexus::Errno::srch));
}

// Whom another fiber spawned, and who is killed by one that cannot say so.
void joins_anothers() {
    auto sleeper = *nexus::spawn([] { nexus::sleep_for(seconds(30)); });
    const auto sleeping = static_cast<uint64_t>(sleeper.id());
    int64_t code = 0;
    auto joiner = *nexus::spawn([&] { code = sleeper.join(nexus::now() + seconds(10)).value_or(1); });
    nexus::sleep_for(milliseconds(1));
    (void)nexus::spawn([](uint64_t fiber) { (void)nexus::call::kill(static_cast<nexus::FiberId>(fiber), 7); },
                       sleeping, {.tier = nexus::Tier::photon, .bare = true});
    test::check("a join of another's fiber, killed by a third",
                joiner.join() == 0 && code == RUMPK_END_BUDGET);
    auto itself = *nexus::spawn([] { (void)nexus::kill(nexus::self(), 9); });
    test::check("a join sees whom it killed itself for", itself.join() == -9);
}

} // namespace

int main() {
    ordered_wakes();
    past_and_none();
    cancelled();
    joins();
    joins_anothers();
    return test::result();
}
