// SPDX-License-Identifier: Apache-2.0
#include "core/map_pool.h"

#include <gtest/gtest.h>

#include <array>

namespace rumpk {
namespace {

constexpr uint64_t page = MapPool::page_size;
constexpr VirtAddr base{0x0c000000};
const Rights read_write = right_read | right_write;

class MapPoolTest : public testing::Test {
  protected:
    MapPoolTest() { pool.prepare({base, books.size() * page}, PhysAddr{0x1000'0000}, books); }

    // As map does, page by page.
    Result<AddressRange> take(uint64_t bytes, Rights rights) {
        const auto found = pool.find(bytes);
        for (VirtAddr at = base; found && at != found->end(); at = at + page) {
            if (at >= found->base) {
                EXPECT_TRUE(pool.take(at));
                pool.set_rights(at, rights);
            }
        }
        return found;
    }
    std::array<uint8_t, 8> books{};
    MapPool pool;
};

TEST_F(MapPoolTest, GivesWholePagesLowestFirst) {
    EXPECT_EQ(take(1, read_write), (AddressRange{base, page}));
    EXPECT_EQ(take(page + 1, read_write), (AddressRange{base + page, 2 * page}));
    EXPECT_EQ(pool.physical(base + page), PhysAddr{0x1000'0000 + page});
}

TEST_F(MapPoolTest, RefusesNothingAndTooMuch) {
    EXPECT_EQ(take(0, read_write).error(), Errno::inval);
    EXPECT_EQ(take(9 * page, read_write).error(), Errno::nomem);
    EXPECT_EQ(take(~0ULL, read_write).error(), Errno::nomem);
    ASSERT_TRUE(take(8 * page, read_write));
    EXPECT_EQ(take(1, read_write).error(), Errno::nomem);
}

TEST_F(MapPoolTest, RightsComeLater) {
    ASSERT_TRUE(pool.take(base));
    EXPECT_FALSE(pool.take(base)); // another was quicker
    EXPECT_FALSE(pool.mapped(base));
    EXPECT_EQ(pool.check({base, page}, right_read).error(), Errno::fault);
    pool.set_rights(base, right_read);
    EXPECT_TRUE(pool.mapped(base));
    EXPECT_TRUE(pool.check({base, page}, right_read));
    EXPECT_EQ(pool.check({base, page}, right_write).error(), Errno::fault);
    EXPECT_FALSE(pool.take(base));
    EXPECT_TRUE(pool.check({base, page}, right_read));
    EXPECT_DEATH(pool.set_rights(base + page, right_read), "");
}

TEST_F(MapPoolTest, NeedsThePagesInARow) {
    ASSERT_TRUE(take(3 * page, read_write));
    ASSERT_TRUE(take(3 * page, read_write));
    pool.give(base + 2 * page);
    pool.give(base + 4 * page);
    EXPECT_EQ(take(3 * page, read_write).error(), Errno::nomem); // 4 free, 2 in a row at most
    EXPECT_EQ(take(2 * page, read_write), (AddressRange{base + 6 * page, 2 * page}));
}

TEST_F(MapPoolTest, GivesBackWhatWasTaken) {
    ASSERT_TRUE(take(2 * page, read_write));
    pool.give(base);
    EXPECT_FALSE(pool.mapped(base));
    EXPECT_TRUE(pool.mapped(base + page));
    EXPECT_DEATH(pool.give(base), ""); // twice
    EXPECT_EQ(take(page, right_read), (AddressRange{base, page}));
}

TEST_F(MapPoolTest, ChecksRightsPageByPage) {
    ASSERT_TRUE(take(page, read_write));
    ASSERT_TRUE(take(page, right_read));
    EXPECT_TRUE(pool.check({base, 2 * page}, right_read));
    EXPECT_TRUE(pool.check({base + 10, 20}, read_write));
    EXPECT_EQ(pool.check({base + page - 1, 2}, right_write).error(), Errno::fault);
    EXPECT_EQ(pool.check({base + 2 * page - 1, 2}, right_read).error(), Errno::fault);
    EXPECT_EQ(pool.check({base, 9 * page}, right_read).error(), Errno::fault);
}

} // namespace
} // namespace rumpk
