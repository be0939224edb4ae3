// SPDX-License-Identifier: Apache-2.0
// The books of what programs may touch, held against a map of single pages; and the entries that a processor
// gets of them, read as the specification says that it does.
#include "hal/board/regions.h"

#include <map>
#include <optional>
#include <random>

#include <gtest/gtest.h>

#include "hal/arch/riscv64/machine/protection.h"

using namespace rumpk::hal;

namespace {

constexpr uint64_t page = HAL_PAGE_SIZE;
constexpr uint32_t user = HAL_MAP_USER;
constexpr uint32_t r = HAL_MAP_READ | user;
constexpr uint32_t rw = HAL_MAP_READ | HAL_MAP_WRITE | user;
constexpr uint32_t rx = HAL_MAP_READ | HAL_MAP_EXEC | user;

constexpr Region pages(uint64_t first, uint64_t count, uint32_t rights) {
    return {first * page, (first + count) * page, rights};
}

// Privileged specification 1.12, 3.7.1: what user privilege may at that address. The lowest entry that
// matches decides; none: nothing.
uint32_t allowed(const Entries& entries, uint64_t address) {
    for (size_t i = 0; i < entries.address.size(); ++i) {
        const uint64_t value = entries.address[i];
        const uint32_t mode = entries.config[i] >> 3 & 3;
        bool matches = false;
        if (mode == 1) {
            const uint64_t from = i == 0 ? 0 : entries.address[i - 1];
            matches = address >> 2 >= from && address >> 2 < value;
        } else if (mode == 3) {
            const uint64_t ones = value ^ (value + 1); // up to the lowest zero, and that
            matches = ((address >> 2) | ones) == (value | ones);
        }
        if (matches) {
            return entries.config[i] & 7;
        }
    }
    return 0;
}

uint32_t rights_at(const Regions& regions, uint64_t address) {
    for (const Region& region : regions.all()) {
        if (region.base <= address && address < region.end) {
            return region.rights & 7;
        }
    }
    return 0;
}

TEST(Regions, KeepsWhatIsMapped) {
    Regions regions;
    EXPECT_EQ(regions.map(pages(10, 4, rw)), 0);
    EXPECT_EQ(regions.map(pages(14, 2, rw)), 0); // goes on
    ASSERT_EQ(regions.all().size(), 1u);
    EXPECT_EQ(regions.map(pages(15, 2, rw)), -RUMPK_EEXIST);
    EXPECT_EQ(regions.map(pages(9, 2, r)), -RUMPK_EEXIST);
    EXPECT_EQ(regions.map(pages(9, 9, r)), -RUMPK_EEXIST);
    EXPECT_EQ(regions.map(pages(8, 2, rx)), 0);
    EXPECT_EQ(regions.change(pages(9, 2, r)), 0); // across both
    EXPECT_EQ(rights_at(regions, 8 * page), rx & 7);
    EXPECT_EQ(rights_at(regions, 10 * page), r & 7);
    EXPECT_EQ(rights_at(regions, 11 * page), rw & 7);
    EXPECT_EQ(regions.change(pages(15, 2, r)), -RUMPK_ENOENT);
    EXPECT_EQ(regions.change(pages(8, 8, 0)), 0);
    EXPECT_TRUE(regions.all().empty());
}

TEST(Regions, TooManyChangeNothing) {
    Regions regions;
    for (uint64_t i = 0; i < 15; ++i) {
        ASSERT_EQ(regions.map(pages(2 * i, 1, rw)), 0);
    }
    EXPECT_EQ(regions.map(pages(40, 1, rw)), -RUMPK_ENOMEM);
    EXPECT_EQ(regions.all().size(), 15u);
    EXPECT_EQ(regions.map(pages(1, 1, rw)), 0); // one less
    EXPECT_EQ(regions.change(pages(1, 1, r)), -RUMPK_ENOMEM);
    EXPECT_EQ(rights_at(regions, page), rw & 7);
    EXPECT_EQ(regions.all().size(), 14u);
}

TEST(Regions, TakesWhateverIsThere) {
    Regions regions;
    ASSERT_EQ(regions.map(pages(10, 4, rw)), 0);
    ASSERT_EQ(regions.map(pages(14, 2, rx)), 0);
    EXPECT_EQ(regions.take(pages(12, 3, r)), 0); // across both
    EXPECT_EQ(rights_at(regions, 11 * page), rw & 7);
    EXPECT_EQ(rights_at(regions, 12 * page), 0u);
    EXPECT_EQ(rights_at(regions, 14 * page), 0u);
    EXPECT_EQ(rights_at(regions, 15 * page), rx & 7);
    EXPECT_EQ(regions.take(pages(12, 3, r)), 0); // nothing
    EXPECT_EQ(regions.take(pages(0, 100, r)), 0);
    EXPECT_TRUE(regions.all().empty());
}

TEST(Regions, WhatHasNoRoomForItsRestIsTakenAsAWhole) {
    Regions regions;
    for (uint64_t i = 0; i < 15; ++i) {
        ASSERT_EQ(regions.map(pages(4 * i, 3, rw)), 0);
    }
    const Region hole = pages(21, 1, 0);
    EXPECT_EQ(regions.take(hole), -RUMPK_ENOMEM);
    EXPECT_EQ(rights_at(regions, 21 * page), rw & 7);
    const Region whole = regions.around(hole);
    EXPECT_EQ(whole.base, 20 * page);
    EXPECT_EQ(whole.end, 23 * page);
    EXPECT_EQ(regions.take(whole), 0);
    EXPECT_EQ(rights_at(regions, 20 * page), 0u);
    EXPECT_EQ(rights_at(regions, 18 * page), rw & 7);
    EXPECT_EQ(regions.around(hole).base, hole.base); // which touches none
}

TEST(Entries, AreFewWhereRegionsTouchOrArePowersOfTwo) {
    Regions regions;
    Entries entries;
    EXPECT_EQ(regions.map(pages(3, 5, rx)), 0); // text, constants, data: four ends
    EXPECT_EQ(regions.map(pages(8, 3, r)), 0);
    EXPECT_EQ(regions.map(pages(11, 7, rw)), 0);
    for (uint64_t i = 0; i < 5; ++i) {
        EXPECT_EQ(regions.map(pages(32 + 8 * i, 3, rw)), 0); // two ends each
    }
    EXPECT_EQ(regions.map(pages(128, 1, r)), 0); // one
    EXPECT_TRUE(make_entries(regions, entries));
    EXPECT_EQ(regions.map(pages(256, 1, r)), 0);
    EXPECT_FALSE(make_entries(regions, entries));
}

// docs/decisions/cells.md has the table.
TEST(Entries, AreEnoughForACellToWhichFourOthersSend) {
    Regions regions;
    EXPECT_EQ(regions.map(pages(0x2000, 1, r)), 0); // SysTable and gate
    EXPECT_EQ(regions.map(pages(0x2001, 1, rx)), 0);
    constexpr uint64_t window = 0x8000;
    EXPECT_EQ(regions.map(pages(window, 5, rx)), 0); // text, constants, data
    EXPECT_EQ(regions.map(pages(window + 5, 3, r)), 0);
    EXPECT_EQ(regions.map(pages(window + 8, 55, rw)), 0);
    EXPECT_EQ(regions.map(pages(window + 0x6000, 64, rw)), 0); // stacks
    EXPECT_EQ(regions.map(pages(window + 0x7000, 2100, rw)),
              0);                                              // rings of fibers: too many for a power of two
    EXPECT_EQ(regions.map(pages(window + 0x7f00, 64, rw)), 0); // boot rings
    EXPECT_EQ(regions.map(pages(window + 0x7f80, 128, rw)), 0); // its own channels
    Entries entries;
    for (uint64_t peer = 1; peer <= 4; ++peer) {
        ASSERT_EQ(regions.map(pages(window + 0x8000 * peer + 0x7f80 + 4, 4, rw)), 0);
        EXPECT_TRUE(make_entries(regions, entries)) << peer;
    }
    ASSERT_EQ(regions.map(pages(window + 0x8000 * 5 + 0x7f80, 4, rw)), 0);
    EXPECT_FALSE(make_entries(regions, entries));
}

TEST(Entries, TheGuardIsTheFirst) {
    Regions regions;
    Entries entries;
    EXPECT_EQ(regions.map(pages(0, 64, rw)), 0);
    EXPECT_TRUE(make_entries(regions, entries));
    entries.address[0] = (5 * page) >> PMP_SHIFT | PMP_PAGE_ONES; // as keep_guard makes it
    EXPECT_EQ(allowed(entries, 5 * page - 1), rw & 7);
    EXPECT_EQ(allowed(entries, 5 * page), 0u);
    EXPECT_EQ(allowed(entries, 6 * page - 1), 0u);
    EXPECT_EQ(allowed(entries, 6 * page), rw & 7);
}

TEST(Entries, SayWhatTheBooksSay) {
    std::mt19937_64 random(1); // NOLINT(cert-msc51-cpp): the same each time
    constexpr uint64_t room = 64;
    uint64_t fitted = 0;
    for (int round = 0; round < 3000; ++round) {
        Regions regions;
        std::map<uint64_t, uint32_t> model; // page -> rights
        for (int step = 0; step < 12; ++step) {
            const uint64_t first = random() % room;
            const uint64_t count = random() % 8 + 1;
            const uint32_t rights = std::array{r, rw, rx}[random() % 3];
            bool all = true;
            bool any = false;
            for (uint64_t at = first; at < first + count; ++at) {
                all = all && model.contains(at);
                any = any || model.contains(at);
            }
            const bool map = random() % 2 == 0;
            const uint32_t wanted = !map && random() % 3 == 0 ? 0 : rights;
            const int done =
                map ? regions.map(pages(first, count, wanted)) : regions.change(pages(first, count, wanted));
            if (done == -RUMPK_ENOMEM) {
                continue;
            }
            ASSERT_EQ(done, map ? (any ? -RUMPK_EEXIST : 0) : (all ? 0 : -RUMPK_ENOENT));
            for (uint64_t at = first; done == 0 && at < first + count; ++at) {
                if (wanted == 0) {
                    model.erase(at);
                } else {
                    model[at] = wanted;
                }
            }
        }
        Entries entries;
        const bool fits = make_entries(regions, entries);
        fitted += fits ? 1 : 0;
        entries.address[0] = PMP_PAGE_ONES | (1024 * page) >> PMP_SHIFT; // out of the way
        for (uint64_t at = 0; at < room + 16; ++at) {
            const auto found = model.find(at);
            const uint32_t rights = found == model.end() ? 0 : found->second & 7;
            ASSERT_EQ(rights_at(regions, at * page), rights);
            if (fits) {
                ASSERT_EQ(allowed(entries, at * page), rights);
                ASSERT_EQ(allowed(entries, at * page + page - 1), rights);
            }
        }
    }
    EXPECT_GT(fitted, 1000u);
}

} // namespace
