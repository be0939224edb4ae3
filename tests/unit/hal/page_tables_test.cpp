// SPDX-License-Identifier: Apache-2.0
// Held with each architecture's entries: CMakeLists.txt links page_format.cpp of one.
#include "hal/board/page_tables.h"

#include <cstdlib>
#include <cstring>

#include <gtest/gtest.h>

using namespace rumpk::hal;
using page_format::end_of_addresses;

namespace {

constexpr uint64_t page = HAL_PAGE_SIZE;
constexpr uint64_t megapage = 512 * page;
constexpr uint64_t gigapage = 512 * megapage;
constexpr uint32_t rw = HAL_MAP_READ | HAL_MAP_WRITE;

class Tables : public testing::Test {
  protected:
    static constexpr uint64_t pages = 64;

    Tables() : memory_(std::aligned_alloc(page, pages * page)) {
        // Dirt: what is not cleared shows.
        std::memset(memory_, 0xff, pages * page);
        limit(pages);
    }
    ~Tables() override { std::free(memory_); }

    void limit(uint64_t count) {
        auto base = reinterpret_cast<uint64_t>(memory_);
        pool = PagePool(base, base + count * page);
        ASSERT_TRUE(tables.begin(&pool));
    }
    // Frame and rights that the address has; rights 0: not mapped.
    uint64_t physical(uint64_t address) const { return page_format::physical_of(tables.lookup(address)); }
    uint32_t rights(uint64_t address) const {
        uint64_t leaf = tables.lookup(address);
        return leaf != 0 ? page_format::rights_of(leaf) : 0;
    }
    int map(uint64_t address, uint64_t frame, uint64_t size, uint32_t rights = rw) {
        return tables.map(address, frame, size, rights, PageTables::Owner::core);
    }

    PagePool pool;
    PageTables tables;

  private:
    void* memory_;
};

TEST_F(Tables, PoolEnds) {
    auto base = uint64_t{0x1000};
    PagePool small(base, base + 3 * page);
    EXPECT_EQ(small.take(), base);
    EXPECT_EQ(small.take(), base + page);
    EXPECT_EQ(small.take(), base + 2 * page);
    EXPECT_EQ(small.take(), 0u);
    EXPECT_EQ(small.take_zeroed(), 0u);
}

TEST_F(Tables, EmptyMapsNothing) {
    for (uint64_t address : {uint64_t{0}, page, gigapage, end_of_addresses - page}) {
        EXPECT_EQ(tables.lookup(address), 0u);
    }
}

TEST_F(Tables, MapsPages) {
    ASSERT_EQ(map(0x8000000, 0x83005000, 3 * page), 0);
    EXPECT_EQ(tables.lookup(0x8000000 - page), 0u);
    EXPECT_EQ(physical(0x8000000), 0x83005000u);
    EXPECT_EQ(physical(0x8002000), 0x83007000u);
    EXPECT_EQ(tables.lookup(0x8003000), 0u);
    EXPECT_EQ(rights(0x8001000), rw);
}

TEST_F(Tables, RightsAreWhatWasAsked) {
    ASSERT_EQ(map(0x1000, 0x1000, page, HAL_MAP_READ), 0);
    ASSERT_EQ(map(0x2000, 0x1000, page, HAL_MAP_WRITE), 0);
    ASSERT_EQ(map(0x3000, 0x1000, page, HAL_MAP_EXEC), 0);
    ASSERT_EQ(map(0x4000, 0x1000, page, HAL_MAP_READ | HAL_MAP_EXEC), 0);
    EXPECT_EQ(rights(0x1000), HAL_MAP_READ);
    EXPECT_EQ(rights(0x2000), rw);                           // what is written can be read
    EXPECT_EQ(rights(0x3000) & ~HAL_MAP_READ, HAL_MAP_EXEC); // what is run may be, on some
    EXPECT_EQ(rights(0x4000), HAL_MAP_READ | HAL_MAP_EXEC);
}

TEST_F(Tables, UsesTheLargestPages) {
    // One table for the pages before, one for those behind, none for what lies between.
    uint64_t before = pool.next();
    ASSERT_EQ(map(megapage - page, gigapage - page, 2 * page + 3 * megapage), 0);
    EXPECT_EQ((pool.next() - before) / page, 3u);
    EXPECT_EQ(physical(megapage - page), gigapage - page);
    EXPECT_EQ(physical(megapage), gigapage);
    EXPECT_EQ(physical(3 * megapage + 5 * page), gigapage + 2 * megapage);
    EXPECT_EQ(physical(4 * megapage), gigapage + 3 * megapage);
    EXPECT_EQ(tables.lookup(4 * megapage + page), 0u);

    before = pool.next();
    ASSERT_EQ(map(2 * gigapage, 2 * gigapage, 2 * gigapage), 0);
    EXPECT_EQ(pool.next(), before);
}

TEST_F(Tables, UnevenFramesUsePages) {
    ASSERT_EQ(map(megapage, page, 2 * megapage), 0);
    EXPECT_EQ(physical(megapage), page);
    EXPECT_EQ(physical(3 * megapage - page), 2 * megapage);
}

TEST_F(Tables, RefusesWhatIsTaken) {
    ASSERT_EQ(map(0x5000, 0x5000, page), 0);
    EXPECT_EQ(map(0x3000, 0x3000, 4 * page), -RUMPK_EEXIST);
    // All or nothing.
    EXPECT_EQ(tables.lookup(0x3000), 0u);
    EXPECT_EQ(tables.lookup(0x4000), 0u);
    EXPECT_EQ(tables.lookup(0x6000), 0u);
    EXPECT_EQ(physical(0x5000), 0x5000u);

    ASSERT_EQ(tables.map(gigapage, gigapage, megapage, rw, PageTables::Owner::kernel), 0);
    EXPECT_EQ(map(gigapage, 0, page), -RUMPK_EINVAL);
    EXPECT_EQ(map(gigapage - megapage, 0, 2 * megapage), -RUMPK_EINVAL);
    EXPECT_EQ(tables.lookup(gigapage - megapage), 0u);
}

TEST_F(Tables, LargeOverSmallIsRefusedAndPossibleOnceEmpty) {
    ASSERT_EQ(map(megapage + 7 * page, 0, page), 0);
    EXPECT_EQ(map(megapage, megapage, megapage), -RUMPK_EEXIST);
    EXPECT_EQ(tables.lookup(megapage), 0u);
    ASSERT_EQ(tables.change(megapage + 7 * page, page, 0), 0);
    ASSERT_EQ(map(megapage, megapage, megapage), 0);
    EXPECT_EQ(physical(megapage + 9 * page), megapage + 9 * page);
}

TEST_F(Tables, RunsOverTablesThatAreThere) {
    ASSERT_EQ(map(2 * megapage + page, 0x1000, page), 0);
    ASSERT_EQ(tables.change(2 * megapage + page, page, 0), 0);
    // The second megapage has a table already, the others are leaves.
    ASSERT_EQ(map(megapage, 8 * megapage, 3 * megapage), 0);
    for (uint64_t offset = 0; offset < 3 * megapage; offset += page) {
        uint64_t at = physical(megapage + offset);
        EXPECT_TRUE(at == 8 * megapage + offset || at == (8 * megapage + offset) / megapage * megapage);
    }
    EXPECT_EQ(physical(2 * megapage + page), 9 * megapage + page);
}

TEST_F(Tables, ChangesOnlyWhatIsTheCores) {
    ASSERT_EQ(map(0x10000, 0x10000, 4 * page), 0);
    ASSERT_EQ(tables.change(0x11000, 2 * page, HAL_MAP_READ | HAL_MAP_EXEC), 0);
    EXPECT_EQ(rights(0x10000), rw);
    EXPECT_EQ(rights(0x11000), HAL_MAP_READ | HAL_MAP_EXEC);
    EXPECT_EQ(rights(0x12000), HAL_MAP_READ | HAL_MAP_EXEC);
    EXPECT_EQ(rights(0x13000), rw);
    EXPECT_EQ(physical(0x12000), 0x12000u);

    EXPECT_EQ(tables.change(0x13000, 2 * page, HAL_MAP_READ), -RUMPK_ENOENT);
    EXPECT_EQ(rights(0x13000), rw);
    ASSERT_EQ(tables.map(0x14000, 0x14000, page, rw, PageTables::Owner::kernel), 0);
    EXPECT_EQ(tables.change(0x14000, page, HAL_MAP_READ), -RUMPK_ENOENT);
    EXPECT_EQ(tables.change(0x13000, 2 * page, 0), -RUMPK_ENOENT);

    ASSERT_EQ(tables.change(0x11000, page, 0), 0);
    EXPECT_EQ(tables.lookup(0x11000), 0u);
    EXPECT_EQ(tables.change(0x10000, 3 * page, HAL_MAP_READ), -RUMPK_ENOENT);
    ASSERT_EQ(tables.change(0x12000, page, rw), 0);
    ASSERT_EQ(map(0x11000, 0x99000, page), 0);
    EXPECT_EQ(physical(0x11000), 0x99000u);
}

TEST_F(Tables, CutsLargePages) {
    ASSERT_EQ(map(gigapage, gigapage, gigapage), 0);
    uint64_t hole = gigapage + 5 * megapage + 3 * page;
    ASSERT_EQ(tables.change(hole, 2 * page, 0), 0);
    EXPECT_EQ(tables.lookup(hole), 0u);
    EXPECT_EQ(tables.lookup(hole + page), 0u);
    for (uint64_t address : {hole - page, hole + 2 * page}) {
        EXPECT_EQ(physical(address), address);
        EXPECT_EQ(rights(address), rw);
    }
    EXPECT_EQ(physical(gigapage), gigapage);
    EXPECT_EQ(physical(gigapage + 6 * megapage), gigapage + 6 * megapage);
    EXPECT_EQ(physical(2 * gigapage - page), 2 * gigapage - megapage);
    // A whole large page needs no cut.
    uint64_t before = pool.next();
    ASSERT_EQ(tables.change(gigapage + 7 * megapage, megapage, HAL_MAP_READ), 0);
    EXPECT_EQ(pool.next(), before);
    EXPECT_EQ(rights(gigapage + 7 * megapage), HAL_MAP_READ);
    EXPECT_EQ(rights(gigapage + 8 * megapage), rw);
}

TEST_F(Tables, CutsWhereTheRangeEnds) {
    ASSERT_EQ(map(megapage, megapage, 3 * megapage), 0);
    ASSERT_EQ(tables.change(megapage, megapage + 3 * page, HAL_MAP_READ), 0);
    EXPECT_EQ(rights(megapage), HAL_MAP_READ);
    EXPECT_EQ(rights(2 * megapage + 2 * page), HAL_MAP_READ);
    EXPECT_EQ(rights(2 * megapage + 3 * page), rw);
    EXPECT_EQ(physical(2 * megapage + 3 * page), 2 * megapage + 3 * page);
}

TEST_F(Tables, TakesWhatOneEntryMaps) {
    ASSERT_EQ(map(megapage - page, megapage - page, megapage + 2 * page), 0);
    const uint64_t before = pool.next();
    const uint64_t all = megapage + 2 * page;
    EXPECT_EQ(tables.take(megapage - page, all), page);
    EXPECT_EQ(tables.take(megapage, page), 0u); // a part of a large page
    EXPECT_EQ(tables.take(megapage + page, all), 0u);
    EXPECT_EQ(rights(megapage), rw);
    EXPECT_EQ(tables.take(megapage, all - page), megapage);
    EXPECT_EQ(tables.take(megapage, all - page), megapage); // what is not there, as far as one entry reaches
    EXPECT_EQ(tables.lookup(megapage), 0u);
    EXPECT_EQ(rights(2 * megapage), rw);
    EXPECT_EQ(tables.take(2 * megapage, page), page);
    EXPECT_EQ(tables.lookup(2 * megapage), 0u);
    ASSERT_EQ(tables.map(0x14000, 0x14000, page, rw, PageTables::Owner::kernel), 0);
    EXPECT_EQ(tables.take(0x14000, page), page);
    EXPECT_EQ(rights(0x14000), rw);
    EXPECT_EQ(pool.next(), before);
}

TEST_F(Tables, NoPageForTables) {
    limit(2);
    EXPECT_EQ(map(0, 0, page), -RUMPK_ENOMEM); // needs two tables, has one
    EXPECT_EQ(tables.lookup(0), 0u);
    limit(3);
    ASSERT_EQ(map(0, 0, page), 0);
    // Runs out in the middle: what was done is undone.
    EXPECT_EQ(map(megapage - page, 0, 2 * page), -RUMPK_ENOMEM);
    EXPECT_EQ(tables.lookup(megapage - page), 0u);
    limit(2);
    ASSERT_EQ(map(megapage, megapage, megapage), 0);
    EXPECT_EQ(tables.change(megapage + page, page, HAL_MAP_READ), -RUMPK_ENOMEM);
    EXPECT_EQ(rights(megapage + page), rw);
}

TEST_F(Tables, ReachesTheLastAddress) {
    ASSERT_EQ(map(end_of_addresses - page, 0x1000, page), 0);
    EXPECT_EQ(physical(end_of_addresses - page), 0x1000u);
    ASSERT_EQ(tables.change(end_of_addresses - page, page, 0), 0);
    EXPECT_EQ(tables.lookup(end_of_addresses - page), 0u);
}

TEST_F(Tables, OneBesideSharesWhatIsNotItsOwn) {
    ASSERT_EQ(map(2 * gigapage + page, 0x80001000, page), 0);
    PageTables beside;
    ASSERT_TRUE(beside.begin_beside(tables, 1));
    EXPECT_NE(beside.root(), tables.root());
    ASSERT_EQ(beside.map(page, 0x90000000, page, rw, PageTables::Owner::core), 0);
    EXPECT_EQ(page_format::physical_of(beside.lookup(page)), 0x90000000u);
    EXPECT_EQ(rights(page), 0u);
    // Behind an entry that both roots have, one change is both's.
    EXPECT_EQ(page_format::physical_of(beside.lookup(2 * gigapage + page)), 0x80001000u);
    ASSERT_EQ(map(2 * gigapage + 2 * page, 0x80002000, page), 0);
    EXPECT_EQ(page_format::physical_of(beside.lookup(2 * gigapage + 2 * page)), 0x80002000u);
    ASSERT_EQ(tables.change(2 * gigapage + page, page, 0), 0);
    EXPECT_EQ(beside.lookup(2 * gigapage + page), 0u);
}

TEST_F(Tables, OneBesideIsEmptyWhereItIsItsOwn) {
    ASSERT_EQ(map(page, 0x80001000, page), 0);
    PageTables beside;
    ASSERT_TRUE(beside.begin_beside(tables, 1));
    EXPECT_EQ(beside.lookup(page), 0u);
    limit(1);
    EXPECT_FALSE(PageTables().begin_beside(tables, 1));
}

} // namespace
