// SPDX-License-Identifier: Apache-2.0
#include "core/random.h"

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <vector>

#include "tests/unit/kernel/simulated_machine.h"

namespace rumpk {
namespace {

class RandomTest : public testing::Test {
    simulated::Machine machine{1}; // whose interrupts it masks
};

std::vector<std::byte> draw(Random& random, size_t size) {
    std::vector<std::byte> out(size);
    EXPECT_TRUE(random.fill(out));
    return out;
}

TEST_F(RandomTest, SaysAgainWithoutASeed) {
    Random random;
    std::byte out[8];
    EXPECT_EQ(random.fill(out).error(), Errno::again);
    random.seed(std::vector<std::byte>(Random::least_seed - 1));
    EXPECT_EQ(random.fill(out).error(), Errno::again);
}

TEST_F(RandomTest, SameSeedSameNumbersOtherSeedOthers) {
    const std::vector<std::byte> one(32, std::byte{1});
    const std::vector<std::byte> two(32, std::byte{2});
    Random a, b, c;
    a.seed(one);
    b.seed(one);
    c.seed(two);
    const auto from_a = draw(a, 64);
    EXPECT_EQ(from_a, draw(b, 64));
    EXPECT_NE(from_a, draw(c, 64));
}

TEST_F(RandomTest, EveryByteOfALongSeedCounts) {
    std::vector<std::byte> seed(70);
    std::set<std::vector<std::byte>> seen;
    for (size_t at = 0; at < seed.size(); ++at) {
        seed[at] = std::byte{0x80};
        Random random;
        random.seed(seed);
        EXPECT_TRUE(seen.insert(draw(random, 16)).second) << at;
        seed[at] = std::byte{0};
    }
}

TEST_F(RandomTest, NeverRepeatsItself) {
    Random random;
    random.seed(std::vector<std::byte>(32, std::byte{7}));
    std::set<std::vector<std::byte>> seen;
    for (int i = 0; i < 10000; ++i) {
        ASSERT_TRUE(seen.insert(draw(random, 16)).second);
    }
}

TEST_F(RandomTest, OneRequestIsAsLongAsItLikes) {
    Random random;
    random.seed(std::vector<std::byte>(32, std::byte{1}));
    std::set<std::vector<std::byte>> seen; // pieces of 16 bytes, all different
    size_t pieces = 0;
    for (const size_t size : {0, 1, 16, 32, 33, 64, 65, 4096, 65536}) {
        const auto drawn = draw(random, size);
        ASSERT_EQ(drawn.size(), size);
        for (auto at = drawn.begin(); drawn.end() - at >= 16; at += 16, ++pieces) {
            seen.insert({at, at + 16});
        }
    }
    EXPECT_EQ(seen.size(), pieces);
}

// Who runs before the one that draws comes in between and draws as well: none sees the other's numbers.
TEST(RandomInterrupted, BeginsAgain) {
    for (uint64_t seed = 0; seed < 50; ++seed) {
        simulated::Machine machine{seed};
        Random random;
        random.seed(std::vector<std::byte>(32, std::byte{7}));
        std::set<std::vector<std::byte>> seen;
        const auto draws = [&] {
            for (int i = 0; i < 20; ++i) {
                machine.interrupt_later([&] { EXPECT_TRUE(seen.insert(draw(random, 16)).second); });
                EXPECT_TRUE(seen.insert(draw(random, 16)).second);
            }
        };
        machine.scheduler.make_ready(machine.fiber(Tier::void_, draws));
        EXPECT_TRUE(machine.run(100'000));
        EXPECT_EQ(seen.size(), 40U);
    }
}

std::array<std::byte, 32> filled(int value) {
    std::array<std::byte, 32> all;
    all.fill(static_cast<std::byte>(value));
    return all;
}

TEST_F(RandomTest, WhatIsMixedInIsASeed) {
    Random random;
    random.mix(filled(1));
    EXPECT_TRUE(random.seeded());
    EXPECT_NE(draw(random, 16), draw(random, 16));
}

TEST_F(RandomTest, WhatIsMixedInChangesAllThatComes) {
    std::set<std::vector<std::byte>> seen;
    for (int value = 0; value < 20; ++value) {
        Random random;
        random.seed(filled(7));
        const auto before = draw(random, 16); // the same in all
        random.mix(filled(value));
        EXPECT_TRUE(seen.insert(draw(random, 16)).second);
        EXPECT_TRUE(seen.insert(draw(random, 16)).second);
        EXPECT_FALSE(seen.contains(before));
    }
    // Twice the same, and it is not undone: numbers were drawn in between.
    Random random, other;
    random.seed(filled(7));
    other.seed(filled(7));
    (void)draw(random, 1);
    (void)draw(other, 1);
    random.mix(filled(3));
    (void)draw(random, 1);
    (void)draw(other, 1);
    random.mix(filled(3));
    EXPECT_NE(draw(random, 16), draw(other, 16));
}

// Whatever request is under way when it comes: it does not put the old key's successor in its place.
TEST(RandomMixed, IsNotLost) {
    for (uint64_t seed = 0; seed < 50; ++seed) {
        simulated::Machine machine{seed};
        Random random, other;
        random.seed(filled(7));
        other.seed(filled(7));
        bool came = false;
        const auto draws = [&] {
            machine.interrupt_later([&] {
                random.mix(filled(1));
                came = true;
            });
            while (!came) {
                (void)draw(random, 16);
                (void)draw(other, 16);
            }
        };
        machine.scheduler.make_ready(machine.fiber(Tier::void_, draws));
        EXPECT_TRUE(machine.run(100'000));
        EXPECT_TRUE(came);
        EXPECT_NE(draw(random, 16), draw(other, 16));
    }
}

TEST_F(RandomTest, AllBitsMove) {
    Random random;
    random.seed(std::vector<std::byte>(32));
    std::array<int, 256> count{};
    for (int i = 0; i < 1000; ++i) {
        for (const std::byte byte : draw(random, 224)) {
            ++count[static_cast<size_t>(byte)];
        }
    }
    // 224,000 draws: 875 of each expected, sigma 30. Seven sigma.
    for (const int each : count) {
        EXPECT_NEAR(each, 875, 210);
    }
}

} // namespace
} // namespace rumpk
