// SPDX-License-Identifier: Apache-2.0
// Budgets in the scheduler, on the simulated machine: who is struck and when, that
// nobody else notices, and that no timer is armed for it but while such a fiber runs.
#include <gtest/gtest.h>

#include <vector>

#include "core/scheduler.h"
#include "tests/unit/kernel/simulated_machine.h"

namespace rumpk {
namespace {

using simulated::Machine;
using simulated::steps;

constexpr uint64_t microsecond = 1000;

uint64_t now() {
    return machine().now();
}

uint64_t wait_until(uint64_t when) {
    const InterruptsMasked masked;
    return this_scheduler().wait(0, Instant{when});
}

void yield() {
    const InterruptsMasked masked;
    this_scheduler().yield();
}

void spin_for(Machine& machine, uint64_t nanoseconds) {
    const uint64_t end = now() + nanoseconds;
    while (now() < end) {
        machine.chance();
    }
}

[[noreturn]] void spin(Machine& machine) {
    for (;;) {
        machine.chance();
    }
}

uint64_t charged(const Machine& machine, const Fiber& fiber) {
    return machine.scheduler.run_time(fiber).value();
}

// How late the third strike may come: steps of up to 50 ns each, and few of them.
constexpr uint64_t slack = 1000;

TEST(BudgetScheduling, ARunawayIsEndedAtItsThirdOverrunAndOthersGoOn) {
    for (uint64_t seed = 1; seed <= 50; ++seed) {
        Machine machine(seed);
        uint64_t began = 0;
        uint64_t after = 0;
        Fiber& runaway = machine.fiber(Tier::gravity, [&] {
            began = now();
            spin(machine);
        });
        machine.budget(runaway, 20, 100, true);
        machine.scheduler.make_ready(runaway);
        machine.scheduler.make_ready(machine.fiber(Tier::gravity, [&] { after = now(); }));
        ASSERT_TRUE(machine.run(steps)) << "seed " << seed;
        ASSERT_EQ(machine.ended_by_budget, std::vector<Fiber*>{&runaway}) << "seed " << seed;
        // It never gave the core up, so it never fell, and had it to itself all the while (K6).
        EXPECT_EQ(runaway.tier, Tier::gravity);
        EXPECT_GE(after - began + slack, 60 * microsecond) << "seed " << seed;
        EXPECT_LE(after - began, 60 * microsecond + slack) << "seed " << seed;
        EXPECT_EQ(machine.scheduler.statistics().timer_interrupts, 3U) << "seed " << seed;
        EXPECT_EQ(machine.scheduler.statistics().timer_empty, 0U) << "seed " << seed;
    }
}

TEST(BudgetScheduling, AHigherTiersWakesAreUndisturbedAndNotCharged) {
    for (uint64_t seed = 1; seed <= 50; ++seed) {
        Machine machine(seed);
        uint64_t latest = 0;
        uint64_t began = 0;
        uint64_t ended = 0;
        int wakes = 0;
        machine.scheduler.make_ready(machine.fiber(Tier::photon, [&] {
            for (; wakes < 40; ++wakes) {
                const uint64_t when = now() + 3 * microsecond;
                (void)wait_until(when);
                latest = std::max(latest, now() - when);
                spin_for(machine, 3 * microsecond); // as much as the runaway gets
            }
        }));
        Fiber& runaway = machine.fiber(Tier::void_, [&] {
            began = now();
            spin(machine);
        });
        Budget& budget = machine.budget(runaway, 20, 1000, true);
        machine.scheduler.make_ready(runaway);
        machine.scheduler.make_ready(machine.fiber(Tier::void_, [&] { ended = now(); }));
        ASSERT_TRUE(machine.run(steps)) << "seed " << seed;
        EXPECT_EQ(wakes, 40) << "seed " << seed;
        EXPECT_LT(latest, slack) << "seed " << seed;
        EXPECT_EQ(budget.strikes(), Budget::last_strike) << "seed " << seed;
        EXPECT_GE(ended - began, 2 * 50 * microsecond) << "seed " << seed;
        EXPECT_LE(charged(machine, runaway), 60 * microsecond + slack) << "seed " << seed;
    }
}

TEST(BudgetScheduling, WhoKeepsToItIsNeverStruck) {
    for (uint64_t seed = 1; seed <= 50; ++seed) {
        Machine machine(seed);
        Fiber& good = machine.fiber(Tier::matter, [&] {
            for (int i = 0; i < 100; ++i) {
                const uint64_t next = now() + 100 * microsecond;
                spin_for(machine, 18 * microsecond);
                (void)wait_until(next);
            }
        });
        const Budget& budget = machine.budget(good, 20, 100, true);
        machine.scheduler.make_ready(good);
        ASSERT_TRUE(machine.run(steps)) << "seed " << seed;
        EXPECT_EQ(budget.strikes(), 0U) << "seed " << seed;
        EXPECT_TRUE(machine.ended_by_budget.empty());
        EXPECT_GE(charged(machine, good), 1800 * microsecond); // many windows' worth
        EXPECT_EQ(machine.scheduler.statistics().timer_interrupts, 100U) << "seed " << seed; // its own waits
        EXPECT_EQ(machine.scheduler.statistics().timer_empty, 0U) << "seed " << seed;
    }
}

// Struck twice, it falls where it gives up the core: by waiting, by yielding to others, and by
// yielding to nobody.
TEST(BudgetScheduling, TheSecondStrikeDemotesAtTheNextGivingUp) {
    for (uint64_t seed = 1; seed <= 60; ++seed) {
        Machine machine(seed);
        std::string order;
        bool peers_done = false;
        Fiber& struck = machine.fiber(Tier::matter, [&] {
            spin_for(machine, 50 * microsecond);
            order += "s";
            if (seed % 3 == 0) {
                (void)wait_until(now() + microsecond);
            } else {
                yield();
            }
            EXPECT_TRUE(peers_done) << "seed " << seed;
            order += "S";
        });
        machine.budget(struck, 20, 100, true);
        machine.scheduler.make_ready(struck);
        if (seed % 3 != 2) {
            machine.scheduler.make_ready(machine.fiber(Tier::matter, [&] { order += "m"; }));
        }
        machine.scheduler.make_ready(machine.fiber(Tier::gravity, [&] {
            spin_for(machine, 5 * microsecond);
            order += "g";
            peers_done = true;
        }));
        ASSERT_TRUE(machine.run(steps)) << "seed " << seed;
        EXPECT_EQ(order, seed % 3 != 2 ? "smgS" : "sgS") << "seed " << seed;
        EXPECT_EQ(struck.tier, Tier::gravity) << "seed " << seed;
        EXPECT_TRUE(machine.ended_by_budget.empty());
    }
}

// It falls in a wait that has a deadline: that goes along to the lower tier, where a bell still
// cancels it and it still comes.
TEST(BudgetScheduling, AWaitThatDemotesKeepsItsDeadline) {
    for (uint64_t seed = 1; seed <= 50; ++seed) {
        Machine machine(seed);
        const bool rung = seed % 2 == 0;
        uint64_t when = 0;
        uint64_t woken = 0;
        uint64_t answer = 0;
        Fiber& struck = machine.fiber(Tier::matter, [&] {
            spin_for(machine, 50 * microsecond);
            when = now() + 20 * microsecond;
            const InterruptsMasked masked;
            answer = this_scheduler().wait(1, Instant{when});
            woken = now();
        });
        machine.budget(struck, 20, 100, true);
        machine.scheduler.make_ready(struck);
        machine.scheduler.make_ready(machine.fiber(Tier::matter, [&] {
            (void)wait_until(now() + 60 * microsecond); // in the queue that it leaves
        }));
        machine.scheduler.make_ready(machine.fiber(Tier::void_, [&] {
            if (rung) {
                const InterruptsMasked masked;
                this_scheduler().ring(struck, 1);
                this_scheduler().reschedule();
            }
        }));
        ASSERT_TRUE(machine.run(steps)) << "seed " << seed;
        EXPECT_EQ(struck.tier, Tier::gravity) << "seed " << seed;
        EXPECT_EQ(answer, rung ? 1U : 0U) << "seed " << seed;
        EXPECT_EQ(woken >= when, !rung) << "seed " << seed;
        EXPECT_LT(woken, when + slack) << "seed " << seed;
    }
}

TEST(BudgetScheduling, WhoMayNotFallStaysAndEndsAtTheThird) {
    for (const Tier before : {Tier::gravity, Tier::void_}) {
        Machine machine(7);
        std::string order;
        Fiber& struck = machine.fiber(before, [&] {
            for (;;) {
                spin_for(machine, 25 * microsecond);
                order += "s";
                yield();
            }
        });
        machine.budget(struck, 20, 10'000, false);
        machine.scheduler.make_ready(struck);
        machine.scheduler.make_ready(machine.fiber(before, [&] {
            for (int i = 0; i < 4; ++i) {
                order += "o";
                yield();
            }
        }));
        ASSERT_TRUE(machine.run(steps));
        EXPECT_EQ(struck.tier, before);
        EXPECT_EQ(machine.ended_by_budget.size(), 1U);
        EXPECT_EQ(order, "sosooo");
    }
}

// A preempted fiber keeps its tier, whose interrupt stack it lies on, until it runs again and
// gives the core up itself.
TEST(BudgetScheduling, APreemptedFiberDoesNotFall) {
    for (uint64_t seed = 1; seed <= 50; ++seed) {
        Machine machine(seed);
        std::string order;
        Fiber& struck = machine.fiber(Tier::matter, [&] {
            spin_for(machine, 45 * microsecond); // struck twice
            machine.interrupt_later(
                [&] { this_scheduler().make_ready(machine.fiber(Tier::photon, [&] { order += "p"; })); });
            while (order.empty()) {
                machine.chance();
            }
            EXPECT_EQ(this_scheduler().running()->tier, Tier::matter);
            order += "s";
        });
        const Budget& budget = machine.budget(struck, 20, 100, true);
        machine.scheduler.make_ready(struck);
        machine.scheduler.make_ready(machine.fiber(Tier::matter, [&] { order += "m"; }));
        ASSERT_TRUE(machine.run(steps)) << "seed " << seed;
        EXPECT_EQ(order, "psm") << "seed " << seed;
        EXPECT_EQ(budget.strikes(), 2U);
    }
}

// Nothing is armed for a budget while its fiber does not run, and nothing stays behind it.
TEST(BudgetScheduling, TheTimerIsArmedOnlyWhileTheFiberRuns) {
    Machine machine(3);
    Fiber& brief = machine.fiber(Tier::gravity, [&] {
        spin_for(machine, 5 * microsecond);
        yield();
        spin_for(machine, 5 * microsecond);
    });
    machine.budget(brief, 20, 1000, true);
    machine.scheduler.make_ready(brief);
    machine.scheduler.make_ready(machine.fiber(Tier::gravity, [&] { spin_for(machine, 100 * microsecond); }));
    ASSERT_TRUE(machine.run(steps));
    EXPECT_EQ(machine.scheduler.statistics().timer_interrupts, 0U);
    EXPECT_EQ(machine.timer_sets, 4U); // armed and disarmed, twice
    EXPECT_TRUE(machine.ended_by_budget.empty());
}

// One that is killed while it runs leaves no deadline, and is not charged for those who follow.
TEST(BudgetScheduling, AKilledFiberLeavesNothingBehind) {
    for (uint64_t seed = 1; seed <= 50; ++seed) {
        Machine machine(seed);
        Fiber& victim = machine.fiber(Tier::void_, [&] { spin(machine); });
        const Budget& budget = machine.budget(victim, 100, 1000, true);
        machine.scheduler.make_ready(victim);
        machine.interrupt_later([&] {
            if (victim.state == FiberState::ready) {
                this_scheduler().forget(victim);
            }
        });
        machine.scheduler.make_ready(
            machine.fiber(Tier::gravity, [&] { (void)wait_until(now() + microsecond); }));
        ASSERT_TRUE(machine.run(steps)) << "seed " << seed;
        EXPECT_EQ(victim.state, FiberState::free) << "seed " << seed;
        EXPECT_EQ(budget.strikes(), 0U) << "seed " << seed;
        EXPECT_LE(machine.scheduler.statistics().timer_interrupts, 1U) << "seed " << seed;
    }
}

} // namespace
} // namespace rumpk
