// SPDX-License-Identifier: Apache-2.0
// Deadlines on a simulated machine: never early, in order, of the highest tier first,
// and no interrupt for what changes nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "core/scheduler.h"
#include "tests/unit/kernel/simulated_machine.h"

namespace rumpk {
namespace {

using simulated::later;
using simulated::Machine;
using simulated::ring;
using simulated::steps;
using simulated::wait;

TEST(Scheduler, DeadlinesAreNeverEarlyAndInOrder) {
    for (uint64_t seed = 1; seed <= 30; ++seed) {
        Machine machine(seed);
        std::mt19937_64 random(seed);
        std::vector<uint64_t> order;
        for (int i = 0; i < 50; ++i) {
            const uint64_t when = 2000 + random() % 100'000 * 100;
            machine.scheduler.make_ready(machine.fiber(Tier::gravity, [&, when] {
                EXPECT_EQ(wait(0, Instant{when}), 0U);
                EXPECT_GE(rumpk::machine().now(), when) << "seed " << seed;
                order.push_back(when);
            }));
        }
        ASSERT_TRUE(machine.run(steps)) << "seed " << seed;
        EXPECT_EQ(order.size(), 50U);
        EXPECT_TRUE(std::is_sorted(order.begin(), order.end())) << "seed " << seed;
    }
}

// However many of a lower tier are due at the same moment, or earlier.
TEST(Scheduler, ADeadlineWaitsForNoLowerTiers) {
    for (uint64_t seed = 1; seed <= 30; ++seed) {
        Machine machine(seed);
        constexpr uint64_t when = 100'000;
        uint64_t interrupts = 0;
        for (int i = 0; i < 200; ++i) {
            machine.scheduler.make_ready(
                machine.fiber(Tier::gravity, [] { EXPECT_EQ(wait(0, Instant{when - 1}), 0U); }));
        }
        machine.scheduler.make_ready(machine.fiber(Tier::void_, [&] {
            (void)rumpk::machine().interrupts_mask();
            while (rumpk::machine().now() < when) {
            }
            interrupts = this_scheduler().statistics().timer_interrupts;
            rumpk::machine().interrupts_restore(1); // now all are due
        }));
        machine.scheduler.make_ready(machine.fiber(Tier::photon, [&] {
            EXPECT_EQ(wait(0, Instant{when}), 0U);
            EXPECT_EQ(this_scheduler().statistics().timer_interrupts, interrupts + 1) << "seed " << seed;
        }));
        ASSERT_TRUE(machine.run(steps)) << "seed " << seed;
    }
}

// What it would ready could not run before, so it does not interrupt; when the core comes to that
// tier, it does.
TEST(Scheduler, LowerTiersDeadlinesDoNotInterrupt) {
    Machine machine(17);
    bool slept = false;
    machine.scheduler.make_ready(machine.fiber(Tier::photon, [&] {
        EXPECT_EQ(wait(0, later(1'000)), 0U); // the lower one sleeps meanwhile
        const uint64_t interrupts = this_scheduler().statistics().timer_interrupts;
        for (int i = 0; i < 10'000; ++i) {
            machine.chance();
        }
        EXPECT_EQ(this_scheduler().statistics().timer_interrupts, interrupts);
        EXPECT_FALSE(slept);
    }));
    machine.scheduler.make_ready(machine.fiber(Tier::gravity, [&] {
        EXPECT_EQ(wait(0, later(2'000)), 0U);
        slept = true;
    }));
    ASSERT_TRUE(machine.run(steps));
    EXPECT_TRUE(slept);
    EXPECT_EQ(machine.scheduler.statistics().timer_empty, 0U);
}

// Where others are pending, one interrupt finds the deadline and the next, at once, switches; neither
// serves nobody, and whoever is woken still runs before the lower tier gets on.
TEST(Scheduler, AmongManyDeadlinesTheNextInterruptSwitches) {
    Machine machine(23);
    constexpr uint64_t sleepers = 30;
    constexpr uint64_t apart = 10'000;
    uint64_t woken = 0;
    const uint64_t first = 100'000;
    for (uint64_t i = 0; i < sleepers; ++i) {
        machine.scheduler.make_ready(machine.fiber(Tier::gravity, [&, when = first + i * apart] {
            EXPECT_EQ(wait(0, Instant{when}), 0U);
            EXPECT_LT(rumpk::machine().now(), when + apart / 2);
            ++woken;
        }));
    }
    machine.scheduler.make_ready(machine.fiber(Tier::void_, [&] {
        while (woken != sleepers) {
            machine.chance();
        }
    }));
    ASSERT_TRUE(machine.run(steps));
    const SchedulerStatistics& counted = machine.scheduler.statistics();
    EXPECT_EQ(counted.timer_interrupts, sleepers + (sleepers - 1)); // the first is known before
    EXPECT_EQ(counted.timer_empty, 0U);
    EXPECT_EQ(counted.preemptions, sleepers);
}

TEST(Scheduler, PastDeadlineReturnsAtOnce) {
    Machine machine(9);
    machine.scheduler.make_ready(machine.fiber(Tier::gravity, [&] {
        EXPECT_EQ(wait(1, Instant{0}), 0U);
        EXPECT_EQ(wait(1, Instant{1}), 0U);
    }));
    ASSERT_TRUE(machine.run(steps));
    EXPECT_EQ(machine.timer_sets, 0U);
}

// A wake cancels its deadline: an idle machine has nothing armed, and takes no interrupt.
TEST(Scheduler, WakeDisarmsTheTimer) {
    Machine machine(11);
    Fiber& sleeper = machine.fiber(Tier::gravity, [&] { EXPECT_EQ(wait(1, later(1'000'000)), 1U); });
    machine.scheduler.make_ready(sleeper);
    machine.scheduler.make_ready(machine.fiber(Tier::void_, [&] { ring(sleeper, 1); }));
    ASSERT_TRUE(machine.run(steps));
    EXPECT_EQ(machine.scheduler.statistics().timer_interrupts, 0U);
    EXPECT_EQ(machine.timer_sets, 2U); // armed, disarmed
}

} // namespace
} // namespace rumpk
