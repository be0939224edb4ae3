// SPDX-License-Identifier: Apache-2.0
//
// A budget, alone and against a reference that looks at every microsecond of the past.
#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <set>
#include <vector>

#include "core/budget.h"
#include "tests/unit/core/random.h"

namespace {

using namespace rumpk;
using core_test::Random;

rumpk_meta_budget described(uint32_t run, uint32_t window, uint32_t fibers = 1) {
    rumpk_meta_budget budget{};
    std::memcpy(budget.name, "video", 5);
    budget.run_us = run;
    budget.window_us = window;
    budget.fibers = fibers;
    return budget;
}

// Two of ten microseconds; times in nanoseconds.
class BudgetTest : public testing::Test {
  protected:
    BudgetTest() {
        budget.prepare(3, described(2, 10));
        budget.begin(true);
    }
    uint64_t start(uint64_t now) { return budget.start(Instant{now}).nanoseconds(); }
    void stop(uint64_t now) { budget.stop(Instant{now}); }
    bool overrun(uint64_t now) { return budget.overrun(Instant{now}); }
    Budget budget;
};

TEST_F(BudgetTest, IsUsedUpAfterItsRunTime) {
    EXPECT_EQ(budget.index(), 3u);
    EXPECT_EQ(start(100'000), 102'000u);
    stop(101'500);
    EXPECT_EQ(start(105'000), 105'500u); // only what it ran counts
    EXPECT_TRUE(overrun(105'500));
    EXPECT_EQ(budget.strikes(), 1u);
}

TEST_F(BudgetTest, IsReplenishedWhenItIsGivenTheCoreInANewWindow) {
    EXPECT_EQ(start(100'000), 102'000u);
    stop(101'999);
    EXPECT_EQ(start(109'998), 109'999u); // the last nanosecond of the old
    stop(109'998);
    EXPECT_EQ(start(110'000), 112'000u);
    stop(112'000);
    EXPECT_EQ(start(300'000), 302'000u); // windows begin with its turns
    stop(302'000);
    EXPECT_EQ(start(309'999), 309'999u); // nothing is left
}

TEST_F(BudgetTest, WhatItRunsBeyondAWindowCountsInTheNext) {
    (void)start(100'000);
    stop(100'000);
    EXPECT_EQ(start(109'000), 111'000u);
    EXPECT_FALSE(overrun(111'000)); // one of a window, one of the next
    EXPECT_EQ(start(111'000), 112'000u);
    stop(111'500);
    EXPECT_EQ(start(111'600), 112'100u); // 1.5 of this window are used
    EXPECT_TRUE(overrun(112'100));
}

TEST_F(BudgetTest, UsedUpExactlyAtTheEndOfAWindowIsNoOverrun) {
    (void)start(100'000);
    stop(100'000);
    EXPECT_EQ(start(108'000), 110'000u);
    EXPECT_FALSE(overrun(110'000));
    EXPECT_EQ(start(110'000), 112'000u);
    EXPECT_TRUE(overrun(112'000));
}

TEST_F(BudgetTest, StrikesThreeTimesAndEachBeginsAWindow) {
    EXPECT_EQ(start(100'000), 102'000u);
    EXPECT_TRUE(overrun(102'010)); // as late as an interrupt may be
    EXPECT_EQ(start(102'010), 104'010u);
    EXPECT_FALSE(budget.take_demotion());
    EXPECT_TRUE(overrun(104'010));
    EXPECT_EQ(start(104'010), 106'010u);
    EXPECT_TRUE(budget.take_demotion());
    EXPECT_FALSE(budget.take_demotion()); // once
    EXPECT_TRUE(overrun(106'010));
    EXPECT_EQ(budget.strikes(), Budget::last_strike);
    EXPECT_FALSE(budget.replenished(Instant{116'009}));
    EXPECT_TRUE(budget.replenished(Instant{116'010}));
    budget.begin(false);
    EXPECT_EQ(budget.strikes(), 0u);
    (void)start(200'000);
    EXPECT_TRUE(overrun(202'000));
    (void)start(202'000);
    EXPECT_TRUE(overrun(204'000));
    EXPECT_EQ(budget.strikes(), 2u);
    EXPECT_FALSE(budget.take_demotion()); // that fiber may not leave its tier
}

TEST_F(BudgetTest, GivenUpTooLateIsStruckTheNextTime) {
    (void)start(100'000);
    stop(103'000); // it was masked: the interrupt came after it gave up the core
    EXPECT_LE(start(104'000), 104'000u);
    EXPECT_TRUE(overrun(104'000));
}

// What was used of the window in which it is. No arithmetic: time passes in ticks, and
// each is looked at.
constexpr uint64_t tick = 100;
constexpr uint64_t microsecond = 1000;
class Reference {
  public:
    Reference(uint64_t run, uint64_t window) : run_(run), window_(window) {}
    void start(uint64_t now) {
        if (now - began_ >= window_ || fresh_) {
            fresh_ = false;
            began_ = now;
            used_ = 0;
        }
    }
    // One tick passes from `now` on, in which the fiber runs. True: that was the last of
    // its budget, and another window does not begin there.
    bool run(uint64_t now) {
        if (now - began_ == window_) {
            began_ = now;
            used_ = 0;
        }
        used_ += tick;
        return used_ == run_ && now + tick - began_ != window_;
    }
    void strike() { fresh_ = true; }

  private:
    uint64_t run_, window_;
    uint64_t began_ = 0, used_ = 0;
    bool fresh_ = true;
};

TEST(Budget, AgreesWithTheReference) {
    const uint64_t seed = core_test::fresh_seed();
    SCOPED_TRACE(testing::Message() << "RUMPK_SEED=" << seed);
    Random random(seed);
    uint64_t turns = 0, strikes = 0;
    for (int life = 0; life < 4000; ++life) {
        const auto window = static_cast<uint32_t>(2 + random.below(random.one_in(2) ? 3 : 20));
        const auto run = static_cast<uint32_t>(1 + random.below(window - 1));
        Budget budget;
        budget.prepare(0, described(run, window));
        budget.begin(false);
        Reference reference(run * microsecond, window * microsecond);
        uint64_t now = random.below(1000) * tick;
        for (int turn = 0; turn < 250 && budget.strikes() < Budget::last_strike; ++turn, ++turns) {
            Instant look = budget.start(Instant{now});
            reference.start(now);
            const uint64_t end = now + tick * random.below(random.one_in(20) ? 20 * run : 3 * run + 1);
            while (now < end && budget.strikes() < Budget::last_strike) {
                const bool last = reference.run(now);
                now += tick;
                const bool overrun = look <= Instant{now} && budget.overrun(Instant{now});
                ASSERT_EQ(overrun, last) << life << " " << turn;
                if (overrun) {
                    ++strikes;
                    reference.strike();
                }
                if (look <= Instant{now}) {
                    look = budget.start(Instant{now});
                    reference.start(now);
                }
            }
            budget.stop(Instant{now});
            now += tick * random.below(random.one_in(10) ? 30 * window : 4 * window);
        }
    }
    EXPECT_GT(turns, 100'000u);
    EXPECT_GT(strikes, 1'000u);
}

// Whoever never runs more than `run` in any stretch of `window` is never struck.
TEST(Budget, NeverStrikesWhoKeepsToIt) {
    const uint64_t seed = core_test::fresh_seed();
    SCOPED_TRACE(testing::Message() << "RUMPK_SEED=" << seed);
    Random random(seed);
    for (int life = 0; life < 300; ++life) {
        const auto window = static_cast<uint32_t>(2 + random.below(30));
        const auto run = static_cast<uint32_t>(1 + random.below(window - 1));
        Budget budget;
        budget.prepare(0, described(run, window));
        budget.begin(false);
        std::deque<std::pair<uint64_t, uint64_t>> past; // turns, from and to
        uint64_t now = 0;
        for (int turn = 0; turn < 3'000; ++turn) {
            now += random.below(window * 300);
            const Instant used_up = budget.start(Instant{now});
            const uint64_t wanted = random.below(run * 700);
            // As long as no stretch that ends in the turn holds more than the run.
            uint64_t end = now;
            uint64_t used = 0;
            while (!past.empty() && past.front().second + window * 1000 <= now) {
                past.pop_front();
            }
            for (const auto& [from, to] : past) {
                used += to - from;
            }
            end += std::min(wanted, used < run * 1000 ? run * 1000 - used : 0);
            if (used_up < Instant{end}) {
                ASSERT_FALSE(budget.overrun(used_up)) << turn;
                ASSERT_GE(budget.start(used_up), Instant{end}) << turn;
            }
            budget.stop(Instant{end});
            past.emplace_back(now, end);
            now = end;
        }
    }
}

TEST(Budgets, GivesEachAccountToOneAndTheOldestFirst) {
    const std::vector<rumpk_meta_budget> all{described(1, 10, 2), described(5, 10, 3)};
    std::vector<Budget> accounts(5);
    Budgets budgets;
    budgets.prepare(all, accounts);
    EXPECT_EQ(budgets.take(0, false, Instant{}), error(Errno::inval));
    EXPECT_EQ(budgets.take(3, false, Instant{}), error(Errno::inval));
    EXPECT_EQ(budgets.take(1, false, Instant{}), 1);
    EXPECT_EQ(budgets.take(1, false, Instant{}), 2);
    EXPECT_EQ(budgets.take(1, false, Instant{}), error(Errno::busy));
    EXPECT_EQ(budgets.take(2, false, Instant{}), 3);
    EXPECT_EQ(budgets.account_of(3).index(), 1u);
    budgets.give(2);
    budgets.give(1);
    EXPECT_EQ(budgets.take(1, false, Instant{}), 2);
    EXPECT_EQ(budgets.take(1, false, Instant{}), 1);
    EXPECT_EQ(budgets.take(1, false, Instant{}), error(Errno::busy));
    EXPECT_EQ(Budgets().take(1, false, Instant{}), error(Errno::inval));
}

TEST(Budgets, NobodyEscapesByEndingAndBeginningAnew) {
    const std::vector<rumpk_meta_budget> all{described(1, 10)};
    std::vector<Budget> accounts(1);
    Budgets budgets;
    budgets.prepare(all, accounts);
    ASSERT_EQ(budgets.take(1, false, Instant{5'000}), 1);
    (void)accounts[0].start(Instant{6'000});
    accounts[0].stop(Instant{6'100});
    budgets.give(1);
    EXPECT_EQ(budgets.take(1, false, Instant{15'999}), error(Errno::busy)); // the window is not over
    EXPECT_EQ(budgets.take(1, false, Instant{16'000}), 1);
}

TEST(Budgets, TakenAndGivenAtRandom) {
    const uint64_t seed = core_test::fresh_seed();
    SCOPED_TRACE(testing::Message() << "RUMPK_SEED=" << seed);
    Random random(seed);
    const std::vector<rumpk_meta_budget> all{described(1, 4, 1), described(1, 4, 30), described(1, 4, 7)};
    std::vector<Budget> accounts(38);
    Budgets budgets;
    budgets.prepare(all, accounts);
    std::array<std::deque<uint16_t>, 3> free;
    std::vector<uint16_t> taken;
    for (uint16_t number = 1; number <= 38; ++number) {
        free[number == 1 ? 0 : number <= 31 ? 1 : 2].push_back(number);
    }
    for (int i = 0; i < 2'000'000; ++i) {
        if (!taken.empty() && random.one_in(2)) {
            std::swap(taken[random.below(taken.size())], taken.back());
            const uint16_t number = taken.back();
            taken.pop_back();
            free[accounts[number - 1U].index()].push_back(number);
            budgets.give(number);
            continue;
        }
        const auto which = static_cast<uint32_t>(random.below(3));
        const auto got = budgets.take(which + 1, false, Instant{});
        if (free[which].empty()) {
            ASSERT_EQ(got, error(Errno::busy));
            continue;
        }
        ASSERT_EQ(got, free[which].front());
        free[which].pop_front();
        taken.push_back(*got);
    }
}

} // namespace
