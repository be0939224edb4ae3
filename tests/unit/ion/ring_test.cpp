// SPDX-License-Identifier: Apache-2.0
//
// Both ends of a ring on one thread: geometry, order, wrap, batches, full and empty, closing,
// lies by name.
#include <utility>
#include <vector>

#include "tests/unit/ion/hooked.h"
#include "tests/unit/ion/pair.h"

namespace {

using ion::Close;
using ion::Consumer;
using ion::Errno;
using ion::Geometry;
using ion::Producer;
using ion_test::bytes_of;
using ion_test::eight;
using ion_test::read_as;
using ion_test::Ring;
using ion_test::Shared;
using ion_test::why;

// --- Geometry

TEST(Geometry, TakesWhatTheAbiAllows) {
    for (const auto& [slots, size] : std::vector<std::pair<uint64_t, uint64_t>>{
             {1, 32}, {2, 48}, {8, 64}, {1024, 80}, {RUMPK_RING_MAX_SLOTS, RUMPK_RING_MAX_SLOT_SIZE}}) {
        const auto geometry = Geometry::make(slots, size);
        ASSERT_TRUE(geometry) << slots << " x " << size;
        EXPECT_EQ(geometry->bytes(), 128 + slots * size);
        EXPECT_EQ(geometry->capacity(), size - 16);
    }
    EXPECT_EQ(eight.bytes(), 640u);
}

TEST(Geometry, RefusesTheRest) {
    for (const auto& [slots, size] :
         std::vector<std::pair<uint64_t, uint64_t>>{{0, 64},
                                                    {3, 64},
                                                    {12, 64},
                                                    {2 * RUMPK_RING_MAX_SLOTS, 64},
                                                    {1ull << 40, 64},
                                                    {~0ull, 64},
                                                    {8, 0},
                                                    {8, 16},
                                                    {8, 24},
                                                    {8, 40},
                                                    {8, 65},
                                                    {8, RUMPK_RING_MAX_SLOT_SIZE + 16},
                                                    {8, 1ull << 32}}) {
        EXPECT_EQ(why(Geometry::make(slots, size)), Errno::inval) << slots << " x " << size;
    }
}

TEST(Format, RefusesMemoryThatDoesNotHoldTheRing) {
    alignas(64) std::byte memory[640 + 64];
    EXPECT_TRUE(ion::format({memory, 640}, eight));
    EXPECT_EQ(why(ion::format({memory, 639}, eight)), Errno::inval);
    EXPECT_EQ(why(ion::format({memory + 16, 640}, eight)), Errno::inval);
}

TEST(Format, MovesBothEpochsAndEmptiesWhateverWasThere) {
    Ring ring;
    ring.fill(0, 5);
    ring.take(0);
    ring.out.close();
    const uint32_t producer = ring.memory.header().producer.epoch;
    const uint32_t consumer = ring.memory.header().consumer.epoch;
    ASSERT_TRUE(ion::format(ring.memory.bytes(), eight));
    EXPECT_EQ(ring.memory.header().producer.epoch, producer + 1);
    EXPECT_EQ(ring.memory.header().consumer.epoch, consumer + 1);
    Producer out(ring.memory.base(), eight);
    Consumer in(ring.memory.base(), eight);
    EXPECT_EQ(why(in.peek()), Errno::again);
    EXPECT_EQ(out.free(), 8u);
}

// --- Order, wrap, full, empty

TEST(Ring, EmptyThenOneThenEmpty) {
    Ring ring;
    EXPECT_TRUE(ring.in.empty());
    EXPECT_EQ(why(ring.in.peek()), Errno::again);
    ring.push(7);
    EXPECT_FALSE(ring.in.empty());
    ring.take(7);
    EXPECT_EQ(why(ring.in.peek()), Errno::again);
}

TEST(Ring, FullIsAnAnswerAndNothingIsDropped) {
    Ring ring;
    ring.fill(0, 8);
    EXPECT_TRUE(ring.out.full());
    EXPECT_EQ(why(ring.out.claim()), Errno::again);
    EXPECT_EQ(why(ring.out.claim(3)), Errno::again);
    ring.take(0);
    EXPECT_EQ(ring.out.free(), 1u);
    ring.push(8);
    EXPECT_EQ(why(ring.out.claim()), Errno::again);
    for (uint64_t i = 1; i <= 8; ++i) {
        ring.take(i);
    }
}

TEST(Ring, StillFullUntilTheConsumerReleases) {
    Ring ring;
    EXPECT_FALSE(ring.out.still_full()); // nobody has looked for room yet
    ring.fill(0, 7);
    EXPECT_FALSE(ring.out.still_full());
    ring.push(7);
    EXPECT_TRUE(ring.out.still_full());
    EXPECT_EQ(why(ring.out.claim()), Errno::again);
    EXPECT_TRUE(ring.out.still_full());
    ring.take(0);
    EXPECT_FALSE(ring.out.still_full());
    ring.push(8);
    EXPECT_TRUE(ring.out.still_full());
    ring.in.close();
    EXPECT_TRUE(ring.out.still_full()); // no more room than before
    EXPECT_EQ(why(ring.out.claim()), Errno::pipe);
    EXPECT_TRUE(ring.out.still_full());
}

TEST(Ring, WrapsManyTimesInEveryGeometry) {
    for (const auto& [slots, size] : {std::pair{1u, 32u}, {2u, 48u}, {4u, 80u}, {8u, 64u}, {16u, 4096u}}) {
        Ring ring(*Geometry::make(slots, size));
        uint64_t next = 0;
        for (uint64_t i = 0; i < 1000; ++i) {
            ring.push(i);
            if (i % 3 != 0 || ring.out.full()) {
                while (!ring.in.empty()) {
                    ring.take(next++);
                }
            }
        }
        EXPECT_GT(next, 900u);
    }
}

TEST(Ring, ClaimedIsNotSeenAndIsClaimedAgain) {
    Ring ring;
    auto first = ring.out.claim();
    ASSERT_TRUE(first);
    EXPECT_EQ(first->payload.size(), 48u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(first->payload.data()) % 16, 0u);
    EXPECT_TRUE(ring.in.empty());
    auto again = ring.out.claim();
    EXPECT_EQ(first->payload.data(), again->payload.data());
}

TEST(Ring, PeekedIsTheSameUntilReleased) {
    Ring ring;
    ring.fill(0, 2);
    EXPECT_EQ(ring.in.peek()->payload.data(), ring.in.peek()->payload.data());
    ring.take(0);
    ring.take(1);
}

TEST(Ring, LengthsFromNothingToCapacity) {
    Ring ring;
    for (uint32_t length = 0; length <= 48; ++length) {
        std::vector<std::byte> bytes(length, std::byte{static_cast<unsigned char>(length)});
        ASSERT_TRUE(ring.out.push(length, bytes));
        auto message = ring.in.peek();
        ASSERT_TRUE(message);
        EXPECT_EQ(message->tag, length);
        EXPECT_EQ(std::vector<std::byte>(message->payload.begin(), message->payload.end()), bytes);
        ASSERT_TRUE(ring.in.release());
    }
    EXPECT_EQ(why(ring.out.push(1, std::vector<std::byte>(49))), Errno::inval);
    ASSERT_TRUE(ring.out.claim());
    EXPECT_EQ(why(ring.out.publish(1, 49)), Errno::inval);
    EXPECT_EQ(why(ring.out.publish(1, (1ull << 32) + 1)), Errno::inval);
    EXPECT_TRUE(ring.in.empty());
}

// The caller's own mistakes do no harm either.
TEST(Ring, PublishingOrReleasingWhatOneDoesNotHave) {
    Ring ring;
    EXPECT_EQ(why(ring.in.release()), Errno::inval);
    EXPECT_EQ(why(ring.out.commit(9)), Errno::inval);
    ring.fill(0, 8);
    EXPECT_EQ(why(ring.out.publish(1, 8)), Errno::inval);
    EXPECT_EQ(why(ring.out.commit(1)), Errno::inval);
    EXPECT_EQ(why(ring.in.release()), Errno::inval) << "published, but never peeked";
    ASSERT_TRUE(ring.in.peek());
    EXPECT_EQ(why(ring.in.release(2)), Errno::inval) << "one was peeked";
    EXPECT_EQ(why(ring.out.claim(0)), Errno::inval);
    EXPECT_EQ(why(ring.in.peek(0)), Errno::inval);
    ring.take(0);
    EXPECT_EQ(why(ring.in.release()), Errno::inval) << "released already";
}

TEST(Ring, WhatWasNotDescribedGoesOutAsItLies) {
    Ring ring;
    ring.fill(0, 8);
    for (uint64_t p = 0; p < 8; ++p) {
        ring.take(p);
    }
    const auto slots = ring.out.claim(2);
    ASSERT_TRUE(slots && slots->describe(0, 77, 1));
    ASSERT_TRUE(ring.out.commit(3)) << "no account is kept of claims";
    const auto messages = ring.in.peek(8);
    ASSERT_TRUE(messages);
    ASSERT_EQ(messages->size(), 3u);
    EXPECT_EQ((*messages)[0].tag, 77u);
    for (const uint32_t i : {1u, 2u}) {
        ASSERT_EQ((*messages)[i].payload.size(), 8u) << "the earlier message's, as its bytes";
        EXPECT_EQ((*messages)[i].payload[0], std::byte{static_cast<unsigned char>(i)});
    }
}

// The same messages by calls that do all of it at once; and by both ways in turns.
TEST(Ring, ProduceAndConsume) {
    Ring ring;
    uint64_t got = 0;
    const auto put = [&](uint64_t p) {
        return ring.out.produce(7, sizeof p, [&](std::byte* payload) { std::memcpy(payload, &p, sizeof p); });
    };
    const auto take = [&] {
        return ring.in.consume([&](const ion::Message& message) {
            EXPECT_EQ(message.tag, 7u);
            got = read_as<uint64_t>(message.payload);
        });
    };
    for (uint64_t p = 0; p < 30; ++p) {
        ASSERT_EQ(put(p), ion::Result<bool>(false)) << p;
        if (p % 3 == 0) {
            ASSERT_TRUE(ring.in.peek()) << "what was peeked can be consumed";
        }
        ASSERT_EQ(take(), ion::Result<bool>(false)) << p;
        EXPECT_EQ(got, p);
        EXPECT_EQ(why(ring.in.release()), Errno::inval) << "released already";
    }
    for (uint64_t p = 0; p < 8; ++p) {
        ASSERT_TRUE(put(p));
    }
    EXPECT_EQ(why(put(8)), Errno::again);
    EXPECT_EQ(why(ring.out.produce(7, eight.capacity() + 1, [](std::byte*) { FAIL(); })), Errno::inval);
    ring.out.arm();
    EXPECT_EQ(take(), ion::Result<bool>(true)) << "the producer sleeps";
    ring.in.arm();
    EXPECT_EQ(put(8), ion::Result<bool>(true)) << "the consumer sleeps";
    ASSERT_TRUE(take()) << "into a new lap, of which more is there than is looked at below";
    EXPECT_EQ(why(ring.in.consume([&](const ion::Message&) { ring.in.close(); })), Errno{0});
    EXPECT_EQ(why(take()), Errno::pipe) << "closed by the one that looked at a message";
    EXPECT_EQ(ring.in.position(), 33u);
}

// Who takes the payload alone sees the same messages, and costs no look at the tag.
TEST(Ring, ConsumesThePayloadAlone) {
    struct Accesses final : ion_test::Hook {
        uint32_t count = 0;
        void before_access() override { ++count; }
    } accesses;
    Shared memory(eight);
    Producer out(memory.base(), eight);
    ion_test::HookedConsumer in(memory.base(), eight);
    for (uint64_t p = 0; p < 20; ++p) {
        ASSERT_TRUE(out.push(1, bytes_of(p)));
        ASSERT_TRUE(out.push(1, bytes_of(p)));
        uint64_t with_tag = ~p;
        uint64_t alone = ~p;
        ion_test::HookedWords::hook = &accesses;
        ASSERT_EQ(in.consume([&](const ion::Message& each) { with_tag = read_as<uint64_t>(each.payload); }),
                  ion::Result<bool>(false));
        const uint32_t before = std::exchange(accesses.count, 0);
        ASSERT_EQ(in.consume([&](std::span<const std::byte> each) { alone = read_as<uint64_t>(each); }),
                  ion::Result<bool>(false));
        const uint32_t after = std::exchange(accesses.count, 0);
        ion_test::HookedWords::hook = nullptr;
        EXPECT_EQ(with_tag, p);
        EXPECT_EQ(alone, p);
        if (p % 4 != 0) { // no lap begins, with more accesses
            EXPECT_EQ(after + 1, before) << p;
        }
    }
    memory.slot(40).sequence = 41;
    memory.slot(40).length = eight.capacity() + 1;
    EXPECT_EQ(why(in.consume([](std::span<const std::byte>) { FAIL(); })), Errno::io) << "a lie all the same";
}

// Positions pass 2^32 with the sequence words wrapping below them.
TEST(Ring, SequenceWordsWrap) {
    Shared memory(eight);
    const uint64_t start = (1ull << 32) - 3;
    memory.header().producer.position = start;
    memory.header().consumer.position = start;
    for (uint64_t i = 0; i < 8; ++i) { // as the lap before has left them
        memory.slot(start - 8 + i).sequence = static_cast<uint32_t>(start - 8 + i + 1);
    }
    auto out = Producer::resume(memory.base(), eight);
    auto in = Consumer::resume(memory.base(), eight);
    ASSERT_TRUE(out && in);
    for (uint64_t i = 0; i < 20; ++i) {
        EXPECT_EQ(why(in->peek()), Errno::again);
        ASSERT_TRUE(out->push(1, bytes_of(i)));
        auto message = in->peek();
        ASSERT_TRUE(message);
        EXPECT_EQ(read_as<uint64_t>(message->payload), i);
        ASSERT_TRUE(in->release());
    }
}

// --- Batches

TEST(Batch, ClaimDescribeCommitPeekRelease) {
    Ring ring;
    uint64_t next_in = 0;
    uint64_t next_out = 0;
    for (uint32_t round = 0; round < 100; ++round) {
        const uint32_t want = 1 + round % 8;
        auto slots = ring.out.claim(want);
        ASSERT_TRUE(slots);
        ASSERT_EQ(slots->size(), want);
        for (uint32_t i = 0; i < want; ++i) {
            std::memcpy((*slots)[i].data(), &next_in, sizeof next_in);
            ASSERT_TRUE(slots->describe(i, 3, sizeof next_in));
            ++next_in;
        }
        EXPECT_TRUE(ring.in.empty());
        ASSERT_TRUE(ring.out.commit(want));
        auto messages = ring.in.peek(100);
        ASSERT_TRUE(messages);
        ASSERT_EQ(messages->size(), want);
        for (const ion::Message message : *messages) {
            EXPECT_EQ(message.tag, 3u);
            EXPECT_EQ(message.payload.size(), sizeof next_out);
            EXPECT_EQ(read_as<uint64_t>(message.payload), next_out++);
        }
        ASSERT_TRUE(ring.in.release(messages->size()));
    }
    EXPECT_EQ(next_in, next_out);
}

TEST(Batch, GivesWhatThereIs) {
    Ring ring;
    ring.fill(0, 5);
    EXPECT_EQ(ring.out.claim(8)->size(), 3u);
    EXPECT_EQ(ring.in.peek(8)->size(), 5u);
    EXPECT_EQ(ring.in.peek(2)->size(), 2u);
    ASSERT_TRUE(ring.in.release(5)) << "five were peeked before";
    EXPECT_EQ(ring.out.claim(100)->size(), 8u);
}

TEST(Batch, CommitOfAPartLeavesTheRest) {
    Ring ring;
    auto slots = ring.out.claim(4);
    for (uint64_t i = 0; i < 4; ++i) {
        std::memcpy((*slots)[static_cast<uint32_t>(i)].data(), &i, sizeof i);
        ASSERT_TRUE(slots->describe(static_cast<uint32_t>(i), 1, sizeof i));
    }
    ASSERT_TRUE(ring.out.commit(2));
    EXPECT_EQ(ring.in.peek(8)->size(), 2u);
    ASSERT_TRUE(ring.out.commit(2));
    EXPECT_EQ(ring.in.peek(8)->size(), 4u);
}

TEST(Batch, DescribeChecks) {
    Ring ring;
    auto slots = ring.out.claim(2);
    EXPECT_EQ(why(slots->describe(2, 1, 0)), Errno::inval);
    EXPECT_EQ(why(slots->describe(0, 1, 49)), Errno::inval);
    EXPECT_TRUE(slots->describe(0, 1, 48));
}

TEST(Batch, ARunDoesNotWrap) {
    Ring ring;
    ring.fill(0, 5);
    for (uint64_t i = 0; i < 5; ++i) {
        ring.take(i);
    }
    auto run = ring.out.claim_run(8);
    ASSERT_EQ(run->size(), 3u);
    EXPECT_EQ((*run)[2].data() - (*run)[0].data(), 128);
    auto wrapped = ring.out.claim(8);
    ASSERT_EQ(wrapped->size(), 8u);
    EXPECT_LT((*wrapped)[3].data(), (*wrapped)[2].data());
}

// --- Closing

TEST(Close, ProducerClosesAndTheConsumerDrains) {
    Ring ring;
    ring.fill(0, 2);
    ring.out.close();
    EXPECT_EQ(why(ring.out.claim()), Errno::pipe);
    EXPECT_EQ(why(ring.out.claim(2)), Errno::pipe);
    EXPECT_EQ(ring.out.free(), 0u);
    EXPECT_EQ(ring.in.peer_closed(), Close::closed);
    ring.take(0);
    ring.take(1);
    EXPECT_EQ(why(ring.in.peek()), Errno::pipe);
    EXPECT_EQ(why(ring.in.peek(4)), Errno::pipe);
    EXPECT_EQ(ring.in.closed(), Close::open);
}

TEST(Close, ConsumerClosesAndTheProducerHearsOfIt) {
    Ring ring;
    ring.push(0);
    ring.in.close();
    EXPECT_EQ(why(ring.in.peek()), Errno::pipe);
    EXPECT_EQ(ring.out.peer_closed(), Close::closed);
    ring.fill(1, 7); // room that it knew of
    EXPECT_EQ(why(ring.out.claim()), Errno::pipe);
    EXPECT_TRUE(ring.out.full());
}

TEST(Close, BrokenSpreadsAndMovesBothEpochs) {
    Ring ring;
    const uint32_t producer = ring.out.epoch();
    const uint32_t consumer = ring.in.epoch();
    ring.in.close(Close::broken);
    EXPECT_EQ(why(ring.in.peek()), Errno::io);
    EXPECT_EQ(ring.out.free(), 0u);
    EXPECT_EQ(why(ring.out.claim()), Errno::io);
    EXPECT_EQ(ring.memory.header().producer.closed, uint32_t{RUMPK_RING_BROKEN});
    EXPECT_EQ(ring.memory.header().producer.epoch, producer + 1);
    EXPECT_EQ(ring.memory.header().consumer.epoch, consumer + 1);
    EXPECT_EQ(ring.in.peer_epoch(), producer + 1);
}

TEST(Close, TheFirstReasonStays) {
    Ring ring;
    ring.out.close(Close::open);
    EXPECT_TRUE(ring.out.claim());
    ring.out.close(Close::closed);
    ring.out.close(Close::broken);
    EXPECT_EQ(ring.out.closed(), Close::closed);
    EXPECT_EQ(ring.memory.header().producer.closed, uint32_t{RUMPK_RING_CLOSED});
}

// --- A peer that lies (hostile_test.cpp lies at every step; these name each lie)

TEST(Lie, LengthBeyondTheSlot) {
    Ring ring;
    ring.push(1);
    ring.memory.slot(0).length = 49;
    const uint32_t epoch = ring.in.epoch();
    EXPECT_EQ(why(ring.in.peek()), Errno::io);
    EXPECT_EQ(ring.memory.header().consumer.closed, uint32_t{RUMPK_RING_BROKEN});
    EXPECT_EQ(ring.memory.header().consumer.epoch, epoch + 1);
    ring.memory.slot(0).length = 8;
    EXPECT_EQ(why(ring.in.peek()), Errno::io) << "closed stays closed";
    EXPECT_EQ(why(ring.in.peek(2)), Errno::io);
}

TEST(Lie, LengthBeyondTheSlotEndsABatchBeforeIt) {
    Ring ring;
    ring.fill(0, 3);
    ring.memory.slot(1).length = ~0u;
    auto batch = ring.in.peek(8);
    ASSERT_TRUE(batch);
    EXPECT_EQ(batch->size(), 1u);
    ASSERT_TRUE(ring.in.release());
    EXPECT_EQ(why(ring.in.peek(8)), Errno::io);
}

TEST(Lie, LengthThatGrowsAfterTheBatchWasPeekedIsClamped) {
    Ring ring;
    ring.fill(0, 2);
    auto batch = ring.in.peek(2);
    ring.memory.slot(1).length = 1u << 20;
    EXPECT_EQ((*batch)[1].payload.size(), 48u);
}

TEST(Lie, ReleasedMoreThanWasPublished) {
    Ring ring;
    ring.fill(0, 8);
    ring.memory.header().consumer.position = 9;
    EXPECT_EQ(why(ring.out.claim()), Errno::io);
    EXPECT_EQ(ring.memory.header().producer.closed, uint32_t{RUMPK_RING_BROKEN});
    ring.memory.header().consumer.position = 8;
    EXPECT_EQ(why(ring.out.claim()), Errno::io);
}

TEST(Lie, TookBackWhatWasReleased) {
    Ring ring;
    ring.fill(0, 8);
    ring.take(0);
    ring.take(1);
    EXPECT_EQ(ring.out.free(), 2u);
    ring.memory.header().consumer.position = 1;
    EXPECT_EQ(ring.out.free(), 0u);
    EXPECT_EQ(why(ring.out.claim()), Errno::io);
}

TEST(Lie, UnknownReasonCountsAsClosed) {
    Ring ring;
    ring.memory.header().producer.closed = 77;
    EXPECT_EQ(why(ring.in.peek()), Errno::pipe);
    EXPECT_EQ(ring.in.peer_closed(), Close::closed);
}

} // namespace
