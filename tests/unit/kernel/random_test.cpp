// SPDX-License-Identifier: Apache-2.0
#include "core/random.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace rumpk {
namespace {

std::vector<std::byte> draw(Random& random, size_t size) {
    std::vector<std::byte> out(size);
    EXPECT_TRUE(random.fill(out));
    return out;
}

TEST(Random, SaysAgainWithoutASeed) {
    Random random;
    std::byte out[8];
    EXPECT_EQ(random.fill(out).error(), Errno::again);
    random.seed(std::vector<std::byte>(Random::least_seed - 1));
    EXPECT_EQ(random.fill(out).error(), Errno::again);
}

TEST(Random, SameSeedSameNumbersOtherSeedOthers) {
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

TEST(Random, EveryByteOfALongSeedCounts) {
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

TEST(Random, NeverRepeatsItself) {
    Random random;
    random.seed(std::vector<std::byte>(32, std::byte{7}));
    std::set<std::vector<std::byte>> seen;
    for (int i = 0; i < 10000; ++i) {
        ASSERT_TRUE(seen.insert(draw(random, 16)).second);
    }
}

TEST(Random, AllBitsMove) {
    Random random;
    random.seed(std::vector<std::byte>(32));
    std::array<int, 256> count{};
    for (int i = 0; i < 1000; ++i) {
        for (const std::byte byte : draw(random, Random::most_at_once)) {
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
