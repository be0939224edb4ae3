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
    std::array<uint8_t, 8> books{};
    MapPool pool;
};

TEST_F(MapPoolTest, GivesWholePagesLowestFirst) {
    EXPECT_EQ(pool.take(1, read_write), (AddressRange{base, page}));
    EXPECT_EQ(pool.take(page + 1, read_write), (AddressRange{base + page, 2 * page}));
    EXPECT_EQ(pool.physical(base + page), PhysAddr{0x1000'0000 + page});
}

TEST_F(MapPoolTest, RefusesNothingAndTooMuch) {
    EXPECT_EQ(pool.take(0, read_write).error(), Errno::inval);
    EXPECT_EQ(pool.take(9 * page, read_write).error(), Errno::nomem);
    EXPECT_EQ(pool.take(~0ULL, read_write).error(), Errno::nomem);
    ASSERT_TRUE(pool.take(8 * page, read_write));
    EXPECT_EQ(pool.take(1, read_write).error(), Errno::nomem);
}

TEST_F(MapPoolTest, RightsComeLater) {
    const AddressRange taken = *pool.take(2 * page, Rights{});
    EXPECT_EQ(pool.check(taken, right_read).error(), Errno::fault);
    pool.set_rights(taken, right_read);
    EXPECT_TRUE(pool.check(taken, right_read));
    EXPECT_EQ(pool.check(taken, right_write).error(), Errno::fault);
    EXPECT_DEATH(pool.set_rights({base + 2 * page, page}, right_read), "");
}

TEST_F(MapPoolTest, NeedsThePagesInARow) {
    ASSERT_TRUE(pool.take(3 * page, read_write));
    ASSERT_TRUE(pool.take(3 * page, read_write));
    ASSERT_TRUE(pool.give({base + 2 * page, page}));
    ASSERT_TRUE(pool.give({base + 4 * page, page}));
    EXPECT_EQ(pool.take(3 * page, read_write).error(), Errno::nomem); // 4 free, 2 in a row at most
    EXPECT_EQ(pool.take(2 * page, read_write), (AddressRange{base + 6 * page, 2 * page}));
}

TEST_F(MapPoolTest, GivesBackOnlyWhatWasTaken) {
    ASSERT_TRUE(pool.take(2 * page, read_write));
    EXPECT_EQ(pool.give({base, 3 * page}).error(), Errno::fault);
    EXPECT_EQ(pool.give({base + 1, page}).error(), Errno::inval);
    EXPECT_EQ(pool.give({base, page - 1}).error(), Errno::inval);
    EXPECT_EQ(pool.give({base, 0}).error(), Errno::inval);
    EXPECT_EQ(pool.give({base - page, page}).error(), Errno::fault);
    EXPECT_TRUE(pool.give({base, 2 * page}));
    EXPECT_EQ(pool.give({base, page}).error(), Errno::fault); // twice
}

TEST_F(MapPoolTest, ChecksRightsPageByPage) {
    ASSERT_TRUE(pool.take(page, read_write));
    ASSERT_TRUE(pool.take(page, right_read));
    EXPECT_TRUE(pool.check({base, 2 * page}, right_read));
    EXPECT_TRUE(pool.check({base + 10, 20}, read_write));
    EXPECT_EQ(pool.check({base + page - 1, 2}, right_write).error(), Errno::fault);
    EXPECT_EQ(pool.check({base + 2 * page - 1, 2}, right_read).error(), Errno::fault);
    EXPECT_EQ(pool.check({base, 9 * page}, right_read).error(), Errno::fault);
}

} // namespace
} // namespace rumpk
