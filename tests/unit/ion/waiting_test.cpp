// SPDX-License-Identifier: Apache-2.0
//
// Both ends of a ring on one thread: parking words and statistics.
#include "tests/unit/ion/pair.h"

namespace {

using ion::Errno;
using ion_test::eight;
using ion_test::Ring;
using ion_test::Shared;
using ion_test::why;

TEST(Waiting, EachSeesTheOtherArmed) {
    Ring ring;
    EXPECT_FALSE(ring.out.peer_waiting());
    ring.in.arm();
    EXPECT_TRUE(ring.out.peer_waiting());
    EXPECT_FALSE(ring.in.peer_waiting());
    ring.in.disarm();
    EXPECT_FALSE(ring.out.peer_waiting());
    ring.out.arm();
    EXPECT_TRUE(ring.in.peer_waiting());
    EXPECT_EQ(ring.memory.header().producer.waiting, 1u);
    ring.out.disarm();
    EXPECT_EQ(ring.memory.header().producer.waiting, 0u);
}

struct CountedBarrier {
    int* calls;
    void operator()() const { ++*calls; }
};

TEST(Waiting, TheSleeperPaysTheBarrierAndThePublisherDoesNot) {
    Shared memory(eight);
    int out_calls = 0;
    int in_calls = 0;
    using Fence = ion::CrossCore<CountedBarrier>;
    ion::BasicProducer<Fence> out(memory.base(), eight, Fence{{&out_calls}});
    ion::BasicConsumer<Fence> in(memory.base(), eight, Fence{{&in_calls}});
    in.arm();
    EXPECT_EQ(in_calls, 1);
    EXPECT_EQ(why(in.peek()), Errno::again);
    ASSERT_TRUE(out.push(1, {}));
    EXPECT_TRUE(out.peer_waiting());
    EXPECT_EQ(out_calls, 0);
    in.disarm();
    EXPECT_EQ(in_calls, 1);
}

struct CountedBreaths {
    uint32_t* breaths;
    void operator()() const {}
    void relax() const { ++*breaths; }
};

// Breaths that a consumer of so many slots takes when it has caught up after so many messages.
uint32_t rests(uint32_t slots, uint32_t messages) {
    const ion::Geometry geometry = *ion::Geometry::make(slots, 32);
    Shared memory(geometry);
    uint32_t breaths = 0;
    using Fence = ion::CrossCore<CountedBreaths>;
    ion::BasicProducer<Fence> out(memory.base(), geometry, Fence{{&breaths}});
    ion::BasicConsumer<Fence> in(memory.base(), geometry, Fence{{&breaths}});
    for (uint32_t i = 0; i < messages; ++i) {
        EXPECT_TRUE(out.push(1, {}));
        EXPECT_TRUE(in.peek());
        EXPECT_TRUE(in.release());
    }
    EXPECT_EQ(breaths, 0u);
    EXPECT_EQ(why(in.peek()), Errno::again);
    const uint32_t first = breaths;
    EXPECT_EQ(why(in.peek()), Errno::again);
    EXPECT_EQ(breaths, first); // once, and not at each look
    return first;
}

TEST(Resting, TakesSomeBreathsInFullFlowAndMoreWhereThereIsMoreRoom) {
    EXPECT_EQ(rests(8, 3), 0u);
    EXPECT_EQ(rests(8, 4), 32u);
    EXPECT_EQ(rests(256, 5), 32u);
    EXPECT_EQ(rests(512, 5), 64u);
    EXPECT_EQ(rests(1024, 5), 128u);
    EXPECT_EQ(rests(4096, 5), 128u);
}

TEST(Statistics, StandInOnesOwnLine) {
    Ring ring;
    ring.out.count_wait();
    ring.out.count_bell();
    ring.out.count_bell();
    ring.in.count_wait();
    const rumpk_ring_header& header = ring.memory.header();
    EXPECT_EQ(header.producer.waits, 1u);
    EXPECT_EQ(header.producer.bells, 2u);
    EXPECT_EQ(header.consumer.waits, 1u);
    EXPECT_EQ(header.consumer.bells, 0u);
    EXPECT_EQ(ring.out.waits(), 1u);
    EXPECT_EQ(ring.out.bells(), 2u);
    ring.fill(0, 3);
    ring.take(0);
    EXPECT_EQ(header.consumer.position, 1u);
    EXPECT_EQ(ring.out.free(), 6u);
    EXPECT_EQ(header.producer.position, 3u) << "told when it looks for room";
}

TEST(Statistics, HighWater) {
    Ring ring;
    ring.fill(0, 5);
    EXPECT_EQ(ring.out.free(), 3u);
    EXPECT_EQ(ring.out.high_water(), 5u);
    EXPECT_EQ(ring.in.peek(4)->size(), 4u);
    EXPECT_EQ(ring.in.high_water(), 4u);
    for (uint64_t i = 0; i < 5; ++i) {
        ring.take(i);
    }
    ring.fill(5, 1);
    EXPECT_EQ(ring.out.free(), 7u);
    EXPECT_EQ(ring.out.high_water(), 5u);
    EXPECT_EQ(ring.memory.header().producer.high_water, 5u);
    EXPECT_EQ(ring.memory.header().consumer.high_water, 4u);
}

} // namespace
