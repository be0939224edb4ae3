// SPDX-License-Identifier: Apache-2.0
#include "hal/board/clock.h"

#include <random>

#include <gtest/gtest.h>

using namespace rumpk::hal;

namespace {

using Wide = unsigned __int128;
constexpr uint64_t second = 1000000000;
constexpr uint64_t rates[] = {1000,     32768,    999999,   1000000,   3579545,
                              10000000, 24000000, 62500000, 999999999, 1000000000};
constexpr uint64_t five_hundred_years = uint64_t{500} * 365 * 86400 + uint64_t{122} * 86400; // seconds

TEST(Clock, IsExactWhereATickIsWholeNanoseconds) {
    Clock clock(10000000);
    EXPECT_EQ(clock.nanoseconds(0), 0u);
    EXPECT_EQ(clock.nanoseconds(1), 100u);
    EXPECT_EQ(clock.nanoseconds(123456789), 12345678900u);
    EXPECT_EQ(clock.ticks(0), 0u);
    EXPECT_EQ(clock.ticks(1), 1u);
    EXPECT_EQ(clock.ticks(100), 1u);
    EXPECT_EQ(clock.ticks(101), 2u);
}

TEST(Clock, StaysBelowTheTruthByLessThanTwoNanoseconds) {
    std::mt19937_64 random(1);
    for (uint64_t rate : rates) {
        Clock clock(rate);
        uint64_t most = static_cast<uint64_t>(Wide{five_hundred_years} * rate);
        for (int round = 0; round < 20000; ++round) {
            uint64_t ticks = random() % most >> random() % 40;
            auto truth = static_cast<uint64_t>(Wide{ticks} * second / rate);
            uint64_t said = clock.nanoseconds(ticks);
            ASSERT_LE(said, truth);
            ASSERT_LE(truth - said, 1u);
        }
        EXPECT_GE(clock.nanoseconds(most), five_hundred_years * second - 1);
    }
}

TEST(Clock, DeadlinesAreNeverEarlyAndAtMostATickLate) {
    std::mt19937_64 random(2);
    for (uint64_t rate : rates) {
        Clock clock(rate);
        for (int round = 0; round < 20000; ++round) {
            uint64_t when = random() % (five_hundred_years * second) >> random() % 50;
            uint64_t tick = clock.ticks(when);
            ASSERT_GE(clock.nanoseconds(tick), when);
            if (tick != 0) {
                ASSERT_LT(clock.nanoseconds(tick - 1), when);
            }
        }
    }
}

TEST(Clock, TheLatestTimesDoNotComeEarly) {
    for (uint64_t rate : rates) {
        Clock clock(rate);
        auto least = static_cast<uint64_t>(Wide{~uint64_t{0} - 1} * rate / second);
        EXPECT_GE(clock.ticks(~uint64_t{0} - 1), least);
    }
}

TEST(Clock, NeverGoesBack) {
    for (uint64_t rate : rates) {
        Clock clock(rate);
        uint64_t last = 0;
        for (uint64_t ticks = 0; ticks < 100000; ++ticks) {
            uint64_t now = clock.nanoseconds((uint64_t{1} << 50) + ticks);
            ASSERT_GE(now, last);
            last = now;
        }
    }
}

} // namespace
