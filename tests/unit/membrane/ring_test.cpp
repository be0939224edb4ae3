// SPDX-License-Identifier: Apache-2.0
//
// Typed ends of rings towards a stranger, and batches of a channel.
#include "nexus/ring.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

#include "tests/unit/membrane/fake_kernel.h"

namespace {

using nexus::Errno;
using nexus::error;
using Numbers = nexus::ring<uint64_t>;

struct Ring {
    static constexpr ion::Geometry geometry = ion::Geometry::of(4, 32);
    alignas(64) std::array<std::byte, geometry.bytes()> memory{};
    bool formatted = ion::format(memory, geometry).has_value();
    rumpk_ring_descriptor where{reinterpret_cast<uint64_t>(memory.data()), 4, 32};
    nexus::RingBell to_child{RUMPK_CHANNEL_RX, 0, 77};
    Numbers::sender out = *Numbers::sender::open(where, to_child);
    Numbers::receiver in = *Numbers::receiver::open(where, nexus::RingBell::of_own(nexus::RingEnd::rx));
};

TEST(Ring, values_arrive_and_a_full_ring_says_so) {
    test::FakeKernel kernel;
    Ring ring;
    EXPECT_EQ(ring.in.try_receive(), error(Errno::again));
    for (uint64_t i = 0; i < 4; ++i) {
        EXPECT_TRUE(ring.out.try_send(i));
    }
    EXPECT_EQ(ring.out.try_send(4), error(Errno::again));
    EXPECT_EQ(ring.out.send(4, nexus::Instant{}), error(Errno::again)) << "the deadline has passed";
    EXPECT_EQ(ring.in.receive(), 0u);
    std::array<uint64_t, 8> some{};
    const auto got = ring.in.receive_some(some);
    ASSERT_TRUE(got);
    uint64_t next = 1;
    for (const uint64_t value : *got) {
        EXPECT_EQ(value, next++);
    }
    EXPECT_EQ(next, 4u);
    EXPECT_TRUE(kernel.bells.empty());
    EXPECT_EQ(ring.in.statistics().high_water, 3u);
    EXPECT_EQ(ring.in.try_receive_some({}), error(Errno::inval));
}

TEST(Ring, each_side_rings_the_other_in_its_own_way) {
    test::FakeKernel kernel;
    Ring ring;
    kernel.on_wait = [&](const test::Yield& yield) -> int64_t {
        EXPECT_EQ(yield.wait, RUMPK_CHANNEL_RX);
        EXPECT_TRUE(ring.out.try_send(7)); // as the other side
        return RUMPK_CHANNEL_RX;
    };
    EXPECT_EQ(ring.in.receive(), 7u);
    ASSERT_EQ(kernel.bells.size(), 1u);
    EXPECT_EQ(kernel.bells[0].peers, std::vector<uint64_t>{77});
    EXPECT_EQ(ring.in.statistics().waits, 1u);
    EXPECT_EQ(ring.out.statistics().bells, 1u);
    ring.out.end().arm();
    EXPECT_TRUE(ring.out.try_send(8));
    EXPECT_EQ(ring.in.try_receive(), 8u);
    ASSERT_EQ(kernel.bells.size(), 2u);
    EXPECT_EQ(kernel.bells[1].bell, RUMPK_CHANNEL_RX);
    EXPECT_TRUE(kernel.bells[1].peers.empty());
}

TEST(Ring, a_deadline_ends_the_wait) {
    test::FakeKernel kernel;
    Ring ring;
    kernel.on_wait = [](const test::Yield&) -> int64_t { return -RUMPK_ETIMEDOUT; };
    EXPECT_EQ(ring.in.receive(nexus::now() + std::chrono::seconds(1)), error(Errno::timedout));
    EXPECT_FALSE(ring.out.end().peer_waiting()) << "it waits no more";
    kernel.on_wait = [&](const test::Yield& yield) -> int64_t {
        kernel.now = static_cast<int64_t>(yield.deadline); // for something else, and too late
        return RUMPK_CHANNEL_RX;
    };
    EXPECT_EQ(ring.in.receive(nexus::now() + std::chrono::seconds(1)), error(Errno::timedout));
    EXPECT_EQ(ring.in.receive(nexus::now()), error(Errno::again)) << "it has not waited";
}

TEST(Ring, across_cores_the_sleeper_has_the_kernel_pass_barriers) {
    test::FakeKernel kernel;
    Ring ring;
    using Across = nexus::ring<uint64_t, nexus::AcrossCores>;
    auto in = *Across::receiver::open(ring.where, nexus::RingBell::of_own(nexus::RingEnd::rx));
    auto out = *Across::sender::open(ring.where, ring.to_child);
    kernel.on_wait = [&](const test::Yield&) -> int64_t {
        EXPECT_EQ(kernel.bells.size(), 1u) << "the barrier, before it sleeps";
        EXPECT_EQ(kernel.bells[0].flags, RUMPK_YIELD_NOWAIT | RUMPK_YIELD_BARRIER);
        EXPECT_TRUE(out.try_send(5));
        return RUMPK_CHANNEL_RX;
    };
    EXPECT_EQ(in.receive(), 5u);
    EXPECT_EQ(kernel.bells.size(), 2u);
    EXPECT_EQ(out.statistics().bells, 1u);
}

TEST(Ring, patience_comes_before_the_sleep) {
    test::FakeKernel kernel;
    Ring ring;
    auto in = *Numbers::receiver::open(ring.where, nexus::RingBell::of_own(nexus::RingEnd::rx),
                                       {.looks = 10, .turns = 2});
    unsigned turns = 0;
    kernel.on_wait = [&](const test::Yield& yield) -> int64_t {
        EXPECT_EQ(yield.wait, 0u) << "a turn given up, no sleep";
        if (++turns == 2) {
            EXPECT_TRUE(ring.out.try_send(9));
        }
        return 0;
    };
    EXPECT_EQ(in.receive(), 9u);
    EXPECT_EQ(turns, 2u);
    EXPECT_EQ(in.statistics().waits, 0u);
    EXPECT_TRUE(kernel.bells.empty());
}

TEST(Ring, what_is_no_value_closes_it) {
    test::FakeKernel kernel;
    Ring ring;
    EXPECT_TRUE(ring.out.try_send(1));
    EXPECT_TRUE(ring.out.end().push(0, std::as_bytes(std::span("abc"))));
    EXPECT_EQ(ring.in.receive(), 1u);
    EXPECT_EQ(ring.in.receive(), error(Errno::io));
    EXPECT_EQ(ring.in.receive(), error(Errno::io));
    EXPECT_TRUE(ring.out.try_send(2)) << "until it looks";
}

TEST(Ring, a_successor_goes_on_where_the_other_stopped) {
    test::FakeKernel kernel;
    Ring ring;
    EXPECT_TRUE(ring.out.try_send(1));
    EXPECT_TRUE(ring.out.try_send(2));
    EXPECT_EQ(ring.in.receive(), 1u);
    auto in = Numbers::receiver::resume(ring.where, nexus::RingBell::of_own(nexus::RingEnd::rx));
    auto out = Numbers::sender::resume(ring.where, ring.to_child);
    ASSERT_TRUE(in && out);
    EXPECT_TRUE(out->try_send(3));
    EXPECT_EQ(in->receive(), 2u);
    EXPECT_EQ(in->receive(), 3u);
    EXPECT_EQ(in->try_receive(), error(Errno::again));
    EXPECT_TRUE(kernel.bells.empty());
}

TEST(Ring, a_successor_rings_whom_the_other_may_not_have) {
    test::FakeKernel kernel;
    Ring ring;
    ring.in.end().arm();
    ASSERT_TRUE(Numbers::sender::resume(ring.where, ring.to_child));
    EXPECT_EQ(kernel.bells.size(), 1u);
}

TEST(Ring, a_successor_at_a_ring_that_is_none) {
    Ring ring;
    EXPECT_EQ(Numbers::sender::resume({0, 4, 32}, ring.to_child).error(), Errno::inval);
    EXPECT_EQ(Numbers::sender::resume({ring.where.base, 3, 32}, ring.to_child).error(), Errno::inval);
    EXPECT_EQ(nexus::ring<Ring>::sender::resume(ring.where, ring.to_child).error(), Errno::inval);
    ring.out.end().close();
    EXPECT_EQ(Numbers::sender::resume(ring.where, ring.to_child).error(), Errno::pipe);
}

TEST(Ring, the_end) {
    test::FakeKernel kernel;
    Ring ring;
    EXPECT_TRUE(ring.out.try_send(1));
    ring.out.close();
    EXPECT_EQ(ring.in.receive(), 1u);
    EXPECT_EQ(ring.in.receive(), error(Errno::pipe));
    rumpk_ring_descriptor narrow = ring.where;
    narrow.slots = 3;
    EXPECT_EQ(Numbers::sender::open(narrow, {}).error(), Errno::inval);
    using Large = std::array<char, 17>;
    EXPECT_EQ(nexus::ring<Large>::sender::open(ring.where, {}).error(), Errno::inval);
}

TEST(Ring, the_receiver_ends_it) {
    test::FakeKernel kernel;
    Ring ring;
    while (ring.out.try_send(1)) {
    }
    kernel.on_wait = [&](const test::Yield&) -> int64_t {
        ring.in.close(); // as the other side
        return RUMPK_CHANNEL_RX;
    };
    EXPECT_EQ(ring.out.send(2), error(Errno::pipe));
    ASSERT_EQ(kernel.bells.size(), 1u);
    EXPECT_EQ(kernel.bells[0].bell, RUMPK_CHANNEL_RX);
    EXPECT_EQ(ring.in.receive(), error(Errno::pipe));
}

TEST(Ring, a_shape_that_the_program_knows) {
    test::FakeKernel kernel;
    Ring ring;
    using Known = nexus::ring<uint64_t, ion::SameCore, ion::FixedGeometry<4, 32>>;
    using Other = nexus::ring<uint64_t, ion::SameCore, ion::FixedGeometry<8, 32>>;
    auto out = Known::sender::open(ring.where, ring.to_child);
    ASSERT_TRUE(out);
    for (uint64_t i = 0; i < 20; ++i) {
        EXPECT_TRUE(out->try_send(i));
        EXPECT_EQ(ring.in.try_receive(), i);
    }
    EXPECT_EQ(Other::sender::open(ring.where, ring.to_child).error(), Errno::inval);
    EXPECT_EQ(Other::receiver::resume(ring.where, ring.to_child).error(), Errno::inval);
}

TEST(Batch, values_are_used_where_they_lie_and_go_together) {
    test::FakeKernel kernel;
    nexus::channel<std::unique_ptr<std::string>, 4> channel;
    for (const char* word : {"one", "two", "three"}) {
        ASSERT_TRUE(channel.send(std::make_unique<std::string>(word)));
    }
    std::unique_ptr<std::string> kept;
    {
        auto batch = channel.receive_some(2);
        ASSERT_TRUE(batch);
        EXPECT_EQ(batch->size(), 2u);
        std::string all;
        for (auto& value : *batch) {
            all += *value + " ";
        }
        EXPECT_EQ(all, "one two ");
        kept = std::move((*batch)[1]);
    }
    EXPECT_EQ(*kept, "two");
    EXPECT_EQ(**channel.receive(), "three");
    EXPECT_EQ(channel.try_receive_some(2).error(), Errno::again);
    EXPECT_EQ(channel.try_receive_some(0).error(), Errno::inval);
    EXPECT_EQ(channel.receive_statistics().high_water, 2u);
    EXPECT_EQ(channel.send_statistics().waits, 0u);
}

TEST(Batch, the_sender_hears_of_the_room_once) {
    test::FakeKernel kernel;
    nexus::channel<int, 2> channel;
    ASSERT_TRUE(channel.send(1));
    ASSERT_TRUE(channel.send(2));
    kernel.on_wait = [&](const test::Yield&) -> int64_t {
        EXPECT_TRUE(channel.receive_some(2)); // as the receiving fiber
        return RUMPK_CHANNEL_RX;
    };
    EXPECT_TRUE(channel.send(3));
    EXPECT_EQ(kernel.bells.size(), 1u);
    EXPECT_EQ(channel.receive_statistics().bells, 1u);
}

} // namespace
