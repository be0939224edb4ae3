// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <utility>

#include <gtest/gtest.h>

#include "core/boot_table.h"

namespace rumpk {
namespace {

// A power of two for each receiver, in their order, whatever the table's.
TEST(ChannelBlock, IsOfTheTwoCells) {
    const auto one = [](uint32_t from, uint32_t to, uint32_t slots) {
        return rumpk_boot_channel{.name = {'a'}, .from = from, .to = to, .slots = slots, .slot_size = 256};
    };
    // Pages: 2, 5, 2, 3, 2.
    const std::array all{one(0, 3, 16), one(0, 1, 64), one(0, 3, 16), one(2, 0, 32), one(0, 2, 16)};
    const auto block = [&](uint32_t from, uint32_t to) {
        const ChannelBlock found = channel_block(all, from, to);
        return std::pair{found.offset / 4096, found.size / 4096};
    };
    EXPECT_EQ(block(0, 1), (std::pair{0ul, 8ul}));
    EXPECT_EQ(block(0, 2), (std::pair{8ul, 2ul}));
    EXPECT_EQ(block(0, 3), (std::pair{12ul, 4ul}));
    EXPECT_EQ(block(2, 0), (std::pair{0ul, 4ul}));
    EXPECT_EQ(block(1, 0).second, 0u);
    EXPECT_EQ(channel_pages(all[1]), 5u * 4096);
}

} // namespace
} // namespace rumpk
