// SPDX-License-Identifier: Apache-2.0
//
// VMSAv8-64's entries, bit by bit (Arm ARM, DDI 0487, D8.3).
#include "hal/board/page_format.h"

#include <gtest/gtest.h>

// translation.cpp's, which needs a processor: replaces in place here.
void rumpk::hal::page_format::before_cut(uint64_t* entry, uint64_t) {
    *entry = being_cut;
}

using namespace rumpk::hal::page_format;

namespace {

constexpr uint64_t uxn = uint64_t{1} << 54;
constexpr uint64_t pxn = uint64_t{1} << 53;
constexpr uint64_t core_bit = uint64_t{1} << 55;

TEST(Vmsa, PagesAndBlocks) {
    // Inner shareable, accessed, not for EL0; a page has bit 1 set, a block has not.
    EXPECT_EQ(leaf(0x40205000, 0, HAL_MAP_READ | HAL_MAP_WRITE, false, Memory::normal),
              uxn | pxn | 0x40205703);
    EXPECT_EQ(leaf(0x40200000, 1, HAL_MAP_READ | HAL_MAP_WRITE, false, Memory::normal),
              uxn | pxn | 0x40200701);
    // What is the core's is not in all views: nG, bit 11.
    EXPECT_EQ(leaf(0x40205000, 0, HAL_MAP_READ, true, Memory::normal), core_bit | uxn | pxn | 0x40205f83);
    EXPECT_EQ(leaf(0x40205000, 0, HAL_MAP_READ | HAL_MAP_EXEC, false, Memory::normal), uxn | 0x40205783);
    EXPECT_EQ(leaf(0x9000000, 0, HAL_MAP_READ | HAL_MAP_WRITE, false, Memory::device), uxn | pxn | 0x9000707);
}

TEST(Vmsa, WhatIsForEl0IsRunThereAlone) {
    constexpr uint32_t user = HAL_MAP_USER;
    EXPECT_EQ(leaf(0x40205000, 0, HAL_MAP_READ | HAL_MAP_WRITE | user, false, Memory::normal),
              uxn | pxn | 0x40205743);
    EXPECT_EQ(leaf(0x40205000, 0, HAL_MAP_READ | user, false, Memory::normal), uxn | pxn | 0x402057c3);
    EXPECT_EQ(leaf(0x40205000, 0, HAL_MAP_READ | HAL_MAP_EXEC | user, false, Memory::normal),
              pxn | 0x402057c3);
}

TEST(Vmsa, RightsComeBackAsTheyWere) {
    for (uint32_t more : {0U, HAL_MAP_WRITE, HAL_MAP_EXEC}) {
        for (uint32_t user : {0U, HAL_MAP_USER}) {
            const uint32_t rights = HAL_MAP_READ | more | user;
            EXPECT_EQ(rights_of(leaf(0x40205000, 0, rights, true, Memory::normal)), rights);
            const uint64_t other = leaf(0x40205000, 0, HAL_MAP_READ, true, Memory::normal);
            EXPECT_EQ(with_rights(other, 0, rights), leaf(0x40205000, 0, rights, true, Memory::normal));
        }
    }
}

TEST(Vmsa, TablesAndLeavesAreToldApartByLevel) {
    EXPECT_EQ(table(0x40101000), 0x40101003u);
    EXPECT_FALSE(is_leaf(table(0x40101000), 1));
    EXPECT_TRUE(is_leaf(leaf(0x40000000, 2, HAL_MAP_READ, false, Memory::normal), 2));
    EXPECT_TRUE(is_leaf(leaf(0x40000000, 0, HAL_MAP_READ, false, Memory::normal), 0));
    EXPECT_FALSE(is_valid(0));
    EXPECT_FALSE(is_valid(being_cut));
}

TEST(Vmsa, OtherFramesAndRightsKeepTheRest) {
    uint64_t block = leaf(0x40000000, 2, HAL_MAP_READ | HAL_MAP_WRITE, true, Memory::device);
    EXPECT_EQ(like(block, 0x40200000, 1),
              leaf(0x40200000, 1, HAL_MAP_READ | HAL_MAP_WRITE, true, Memory::device));
    EXPECT_EQ(like(block, 0x40001000, 0),
              leaf(0x40001000, 0, HAL_MAP_READ | HAL_MAP_WRITE, true, Memory::device));
    EXPECT_EQ(with_rights(block, 2, HAL_MAP_EXEC), leaf(0x40000000, 2, HAL_MAP_EXEC, true, Memory::device));
    EXPECT_EQ(physical_of(block), 0x40000000u);
    EXPECT_EQ(physical_of(table(0x40101000)), 0x40101000u);
}

} // namespace
