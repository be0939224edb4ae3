// SPDX-License-Identifier: Apache-2.0
#include "hal/devicetree/memory_map.h"

#include <vector>

#include <gtest/gtest.h>

using namespace rumpk::hal;

namespace {

using Blocks = std::vector<std::pair<uint64_t, uint64_t>>;

Blocks free_blocks(const MemoryMap& map) {
    Blocks blocks;
    for (AddressRange block = map.next_free(0); block.size != 0; block = map.next_free(block.end())) {
        blocks.emplace_back(block.base, block.end());
        if (blocks.size() > 100) {
            break;
        }
    }
    return blocks;
}

TEST(MemoryMap, AllIsFreeAtFirst) {
    MemoryMap map;
    EXPECT_EQ(free_blocks(map), Blocks{});
    EXPECT_EQ(map.largest_free().size, 0u);
    ASSERT_TRUE(map.add_memory({0x8000, 0x8000}));
    ASSERT_TRUE(map.add_memory({0x2000, 0x1000}));
    EXPECT_EQ(free_blocks(map), (Blocks{{0x2000, 0x3000}, {0x8000, 0x10000}}));
    EXPECT_EQ(map.total(), 0x9000u);
    EXPECT_EQ(map.largest_free().base, 0x8000u);
}

TEST(MemoryMap, TakenPagesAreNotFree) {
    MemoryMap map;
    ASSERT_TRUE(map.add_memory({0x10000, 0x10000}));
    ASSERT_TRUE(map.reserve({0x10000, 1}));       // rounded out to its page
    ASSERT_TRUE(map.reserve({0x13fff, 2}));       // two pages
    ASSERT_TRUE(map.reserve({0x14000, 0x2000}));  // overlaps it
    ASSERT_TRUE(map.reserve({0x1f000, 0x10000})); // over the end
    ASSERT_TRUE(map.reserve({0, 0x8000}));        // elsewhere
    ASSERT_TRUE(map.reserve({0x18000, 0}));       // nothing
    EXPECT_EQ(free_blocks(map), (Blocks{{0x11000, 0x13000}, {0x16000, 0x1f000}}));
    EXPECT_EQ(map.largest_free().base, 0x16000u);
    EXPECT_EQ(map.total(), 0x10000u);
}

TEST(MemoryMap, NestedAndUnorderedReservations) {
    MemoryMap map;
    ASSERT_TRUE(map.add_memory({0x10000, 0x10000}));
    ASSERT_TRUE(map.reserve({0x18000, 0x4000}));
    ASSERT_TRUE(map.reserve({0x19000, 0x1000}));
    ASSERT_TRUE(map.reserve({0x16000, 0x2000}));
    ASSERT_TRUE(map.reserve({0x12000, 0xa000}));
    EXPECT_EQ(free_blocks(map), (Blocks{{0x10000, 0x12000}, {0x1c000, 0x20000}}));
}

TEST(MemoryMap, NothingLeft) {
    MemoryMap map;
    ASSERT_TRUE(map.add_memory({0x10000, 0x10000}));
    ASSERT_TRUE(map.reserve({0, ~uint64_t{0}})); // rounding up would wrap
    EXPECT_EQ(free_blocks(map), Blocks{});
    EXPECT_EQ(map.largest_free().size, 0u);
}

TEST(MemoryMap, SaysWhenFull) {
    MemoryMap map;
    int taken = 0;
    while (taken < 100 && map.reserve({uint64_t{0x1000} * static_cast<uint64_t>(taken), 0x1000})) {
        ++taken;
    }
    EXPECT_EQ(taken, 40);
}

TEST(MemoryMap, HoldsWhatOneBlockHolds) {
    MemoryMap map;
    ASSERT_TRUE(map.add_memory({0x10000, 0x10000}));
    ASSERT_TRUE(map.add_memory({0x20000, 0x10000}));
    EXPECT_TRUE(map.holds({0x10000, 0x10000}));
    EXPECT_FALSE(map.holds({0xf000, 0x2000}));
    EXPECT_FALSE(map.holds({0x1f000, 0x2000}));
}

} // namespace
