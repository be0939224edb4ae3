// SPDX-License-Identifier: Apache-2.0
//
// Sv39's entries, bit by bit (privileged specification 1.12, 4.4.1).
#include "hal/board/page_format.h"

#include <gtest/gtest.h>

using namespace rumpk::hal::page_format;

namespace {

TEST(Sv39, LeavesAreAccessedDirtyAndTheKernels) {
    uint64_t entry = leaf(0x83005000, 0, HAL_MAP_READ | HAL_MAP_WRITE, false, Memory::normal);
    EXPECT_EQ(entry, uint64_t{0x83005} << 10 | 0xe7); // D A G - - W R V
    // What is the core's is not in all views.
    EXPECT_EQ(leaf(0x83005000, 0, HAL_MAP_READ, true, Memory::normal), uint64_t{0x83005} << 10 | 0x1c3);
    EXPECT_EQ(leaf(0x200000, 1, HAL_MAP_EXEC, false, Memory::device), uint64_t{0x200} << 10 | 0xe9);
}

TEST(Sv39, WhatIsForUserPrivilegeSaysSo) {
    constexpr uint32_t rights = HAL_MAP_READ | HAL_MAP_EXEC | HAL_MAP_USER;
    const uint64_t entry = leaf(0x83005000, 0, rights, true, Memory::normal);
    EXPECT_EQ(entry, uint64_t{0x83005} << 10 | 0x1db); // D A - U X - R V, and the core's
    EXPECT_EQ(rights_of(entry), rights);
    EXPECT_EQ(with_rights(entry, 0, HAL_MAP_READ), leaf(0x83005000, 0, HAL_MAP_READ, true, Memory::normal));
    EXPECT_EQ(known_rights & HAL_MAP_USER, HAL_MAP_USER);
}

TEST(Sv39, TablesHaveNoRights) {
    EXPECT_EQ(table(0x83006000), uint64_t{0x83006} << 10 | 1);
    EXPECT_TRUE(is_valid(table(0x1000)));
    EXPECT_FALSE(is_leaf(table(0x1000), 1));
    EXPECT_FALSE(is_valid(0));
}

TEST(Sv39, OtherFramesAndRightsKeepTheRest) {
    uint64_t entry = leaf(0x40000000, 2, HAL_MAP_READ | HAL_MAP_WRITE, true, Memory::normal);
    EXPECT_EQ(like(entry, 0x40200000, 1),
              leaf(0x40200000, 1, HAL_MAP_READ | HAL_MAP_WRITE, true, Memory::normal));
    EXPECT_EQ(with_rights(entry, 2, HAL_MAP_EXEC), leaf(0x40000000, 2, HAL_MAP_EXEC, true, Memory::normal));
    EXPECT_EQ(physical_of(entry), 0x40000000u);
    EXPECT_TRUE(is_of_core(entry));
}

} // namespace
