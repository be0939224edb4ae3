// SPDX-License-Identifier: Apache-2.0
//
// Strong types and results: what they refuse to mix is refused by the compiler, the rest is here.
#include <gtest/gtest.h>

#include <type_traits>

#include "core/list.h"
#include "core/result.h"
#include "core/types.h"

namespace {

using namespace rumpk;

constexpr uint64_t all_ones = ~0ULL;

static_assert(!std::is_convertible_v<uint64_t, PhysAddr> && !std::is_convertible_v<PhysAddr, uint64_t>);
static_assert(!std::is_convertible_v<PhysAddr, VirtAddr> && !std::is_constructible_v<PhysAddr, VirtAddr>);
static_assert(!std::is_convertible_v<CoreId, CellId> && !std::is_constructible_v<CoreId, CellId>);
static_assert(!std::is_convertible_v<Nanoseconds, Instant> && !std::is_constructible_v<Instant, Nanoseconds>);
static_assert(!std::is_constructible_v<FiberId, uint64_t>);

AddressRange range(uint64_t base, uint64_t size) {
    return {VirtAddr{base}, size};
}

TEST(Address, Arithmetic) {
    const VirtAddr at{0x1000};
    EXPECT_EQ((at + 0x10).value(), 0x1010u);
    EXPECT_EQ((at - 0x10).value(), 0xff0u);
    EXPECT_EQ(at + 5 - at, 5u);
    EXPECT_TRUE(at.is_aligned(4096));
    EXPECT_FALSE((at + 8).is_aligned(16));
    EXPECT_LT(at, at + 1);
}

TEST(Address, Align) {
    EXPECT_EQ(align_up(0, 4096), 0u);
    EXPECT_EQ(align_up(1, 4096), 4096u);
    EXPECT_EQ(align_up(4096, 4096), 4096u);
    EXPECT_EQ(align_down(4095, 4096), 0u);
    EXPECT_EQ(align_up(all_ones, 4096), 0u);
}

TEST(AddressRange, CheckedRefusesWhatWraps) {
    EXPECT_TRUE(AddressRange::checked(VirtAddr{0}, all_ones));
    EXPECT_TRUE(AddressRange::checked(VirtAddr{all_ones}, 0));
    EXPECT_TRUE(AddressRange::checked(VirtAddr{0x1000}, all_ones - 0x1000));
    const auto wraps = AddressRange::checked(VirtAddr{0x1000}, all_ones - 0xfff);
    ASSERT_FALSE(wraps);
    EXPECT_EQ(wraps.error(), Errno::overflow);
    EXPECT_FALSE(AddressRange::checked(VirtAddr{all_ones}, 1));
}

TEST(AddressRange, Contains) {
    const AddressRange window = range(0x1000, 0x1000);
    EXPECT_EQ(window.end(), VirtAddr{0x2000});
    EXPECT_TRUE(window.contains(VirtAddr{0x1000}));
    EXPECT_TRUE(window.contains(VirtAddr{0x1fff}));
    EXPECT_FALSE(window.contains(VirtAddr{0x2000}));
    EXPECT_FALSE(window.contains(VirtAddr{0xfff}));
    EXPECT_TRUE(window.contains(window));
    EXPECT_TRUE(window.contains(range(0x1fff, 1)));
    EXPECT_FALSE(window.contains(range(0x1fff, 2)));
    EXPECT_FALSE(window.contains(range(0xfff, 2)));
    EXPECT_FALSE(window.contains(range(0x1800, all_ones - 0x1800)));
    EXPECT_TRUE(window.contains(range(0x2000, 0)));
    EXPECT_FALSE(window.contains(range(0x2001, 0)));
    EXPECT_FALSE(range(0x1000, 0).contains(VirtAddr{0x1000}));
}

TEST(AddressRange, Overlaps) {
    const AddressRange window = range(0x1000, 0x1000);
    EXPECT_TRUE(window.overlaps(range(0x1fff, 0x1000)));
    EXPECT_TRUE(window.overlaps(range(0, 0x1001)));
    EXPECT_TRUE(window.overlaps(range(0x1400, 1)));
    EXPECT_TRUE(range(0x1400, 1).overlaps(window));
    EXPECT_FALSE(window.overlaps(range(0x2000, 1)));
    EXPECT_FALSE(window.overlaps(range(0, 0x1000)));
    EXPECT_FALSE(window.overlaps(range(0x1400, 0)));
    EXPECT_FALSE(range(0x1400, 0).overlaps(window));
}

// By brute force over a small world: the definitions are about sets of bytes.
TEST(AddressRange, AgreesWithSetsOfBytes) {
    constexpr uint64_t world = 6;
    for (uint64_t code = 0; code < world * world * world * world; ++code) {
        const AddressRange a = range(code % world, code / world % world);
        const AddressRange b = range(code / world / world % world, code / world / world / world);
        uint64_t common = 0;
        for (uint64_t byte = 0; byte < 2 * world; ++byte) {
            common += a.contains(VirtAddr{byte}) && b.contains(VirtAddr{byte}) ? 1 : 0;
        }
        ASSERT_EQ(a.overlaps(b), common != 0) << code;
        if (!b.empty()) {
            ASSERT_EQ(a.contains(b), common == b.size) << code;
        }
    }
}

TEST(Instant, NeverIsLastAndSumsStopThere) {
    EXPECT_GT(Instant::never(), Instant{all_ones - 1});
    EXPECT_EQ(Instant{5} + Nanoseconds{7}, Instant{12});
    EXPECT_EQ(Instant{5} + Nanoseconds{all_ones - 3}, Instant::never());
    EXPECT_EQ(Instant::never() + Nanoseconds{1}, Instant::never());
    EXPECT_EQ(Instant{12} - Instant{5}, Nanoseconds{7});
    EXPECT_EQ(Instant{5} - Instant{12}, Nanoseconds{0});
}

TEST(Nanoseconds, SumsStopAtTheLongest) {
    Nanoseconds time{3};
    time += Nanoseconds{4};
    EXPECT_EQ(time.value(), 7u);
    time += Nanoseconds{all_ones};
    EXPECT_EQ(time.value(), all_ones);
}

TEST(FiberId, PartsAndSuccessor) {
    const FiberId id{7, 3};
    EXPECT_EQ(id.value(), 3ULL << 32 | 7);
    EXPECT_EQ(id.slot(), 7u);
    EXPECT_EQ(id.generation(), 3u);
    EXPECT_EQ(id.successor(), (FiberId{7, 4}));
    EXPECT_EQ(FiberId::from_call(id.value()), id);
    EXPECT_NE(id.successor(), id);
}

TEST(FiberId, IsNeverZeroNorNegative) {
    EXPECT_EQ(FiberId::none().value(), 0u);
    const FiberId last{0xffff'ffff, FiberId::last_generation};
    EXPECT_EQ(last.value() >> 63, 0u);
    EXPECT_EQ(last.successor(), (FiberId{0xffff'ffff, FiberId::first_generation}));
    EXPECT_DEATH(FiberId(0, 0), "");
    EXPECT_DEATH(FiberId(0, FiberId::last_generation + 1), "");
}

TEST(Tier, OrderAndRange) {
    EXPECT_TRUE(runs_before(Tier::photon, Tier::void_));
    EXPECT_FALSE(runs_before(Tier::matter, Tier::matter));
    EXPECT_EQ(tier_from(3), Tier::void_);
    EXPECT_EQ(tier_from(4).error(), Errno::inval);
    EXPECT_EQ(tier_from(1ULL << 32).error(), Errno::inval);
}

TEST(Rights, NeverWriteWithExecute) {
    EXPECT_EQ(Rights::checked(RUMPK_RIGHT_READ | RUMPK_RIGHT_WRITE), right_read | right_write);
    EXPECT_EQ(Rights::checked(RUMPK_RIGHT_WRITE | RUMPK_RIGHT_EXEC).error(), Errno::inval);
    EXPECT_EQ(Rights::checked(16).error(), Errno::inval);
    EXPECT_EQ(Rights::checked(1ULL << 32).error(), Errno::inval);
    EXPECT_TRUE(Rights::checked(0)->empty());
    EXPECT_TRUE((right_read | right_write).contains(right_write));
    EXPECT_FALSE(right_read.contains(right_read | right_write));
    EXPECT_EQ((right_read | right_write) & right_write, right_write);
}

TEST(Result, ToCall) {
    EXPECT_EQ(to_call(Result<void>{}), 0);
    EXPECT_EQ(to_call(Result<void>{error(Errno::inval)}), -RUMPK_EINVAL);
    EXPECT_EQ(to_call(Result<uint64_t>{17}), 17);
    EXPECT_EQ(to_call(Result<uint64_t>{error(Errno::timedout)}), -RUMPK_ETIMEDOUT);
    EXPECT_EQ(to_call(Result<FiberId>{FiberId{1, 2}}), int64_t{2} << 32 | 1);
    EXPECT_EQ(to_call(Errno::nosys), -RUMPK_ENOSYS);
}

struct Member {
    Link link{};
    int value = 0;
};

TEST(List, FirstInFirstOut) {
    Member a{{}, 1};
    Member b{{}, 2};
    Member c{{}, 3};
    List<Member> list;
    EXPECT_TRUE(list.empty());
    EXPECT_EQ(list.pop_front(), nullptr);
    EXPECT_EQ(list.front(), nullptr);
    list.push_back(a);
    list.push_back(b);
    list.push_front(c);
    EXPECT_EQ(list.front(), &c);
    List<Member>::remove(a);
    EXPECT_FALSE(a.link.linked());
    EXPECT_EQ(list.pop_front(), &c);
    EXPECT_EQ(list.pop_front(), &b);
    EXPECT_TRUE(list.empty());
}

TEST(List, MistakesFault) {
    Member a;
    List<Member> list;
    EXPECT_DEATH(List<Member>::remove(a), "");
    list.push_back(a);
    EXPECT_DEATH(list.push_back(a), "");
    list.pop_front();
}

} // namespace
