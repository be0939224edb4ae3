// SPDX-License-Identifier: Apache-2.0
//
// What a successor finds where an end of a ring has died (death_test.cpp dies at every step).
#include "tests/unit/ion/hooked.h"
#include "tests/unit/ion/pair.h"

#include <vector>

namespace {

using ion::Consumer;
using ion::Errno;
using ion::Producer;
using ion_test::bytes_of;
using ion_test::eight;
using ion_test::read_as;
using ion_test::Ring;
using ion_test::Shared;
using ion_test::why;

TEST(Resume, ProducerGoesOnBehindWhatWasPublished) {
    Ring ring;
    ring.fill(0, 3);
    ring.take(0);
    ring.out.count_wait();
    ring.out.arm();
    (void)ring.out.claim(4);
    const uint32_t epoch = ring.out.epoch();
    auto out = Producer::resume(ring.memory.base(), eight);
    ASSERT_TRUE(out);
    EXPECT_EQ(out->position(), 3u);
    EXPECT_EQ(out->waits(), 1u);
    EXPECT_EQ(out->epoch(), epoch + 1);
    EXPECT_EQ(ring.in.peer_epoch(), epoch + 1);
    EXPECT_FALSE(ring.in.peer_waiting()) << "the dead do not wait";
    EXPECT_EQ(out->free(), 6u);
    ASSERT_TRUE(out->push(1, bytes_of(uint64_t{3})));
    for (uint64_t i = 1; i <= 3; ++i) {
        ring.take(i);
    }
}

TEST(Resume, ConsumerSeesAgainWhatWasNotReleased) {
    Ring ring;
    ring.fill(0, 3);
    ring.take(0);
    ASSERT_TRUE(ring.in.peek(2));
    const uint32_t epoch = ring.in.epoch();
    auto in = Consumer::resume(ring.memory.base(), eight);
    ASSERT_TRUE(in);
    ring.push(3);
    EXPECT_EQ(in->epoch(), epoch + 1);
    EXPECT_EQ(why(in->release()), Errno::inval) << "what the dead one peeked is not peeked";
    for (uint64_t i = 1; i <= 3; ++i) {
        EXPECT_EQ(in->again(), i < 3);
        auto message = in->peek();
        ASSERT_TRUE(message);
        EXPECT_EQ(read_as<uint64_t>(message->payload), i);
        ASSERT_TRUE(in->release());
    }
    EXPECT_FALSE(in->again());
}

TEST(Resume, PositionBehindTheSequences) { // died in commit; and the consumer was quick
    Ring ring;
    ring.fill(0, 4);
    ring.memory.header().producer.position = 1;
    EXPECT_EQ(Producer::resume(ring.memory.base(), eight)->position(), 4u);
    EXPECT_EQ(ring.memory.header().producer.position, 4u);
    ring.take(0);
    ring.take(1);
    ring.take(2);
    ring.memory.header().producer.position = 1;
    auto in = Consumer::resume(ring.memory.base(), eight);
    ASSERT_TRUE(in);
    EXPECT_EQ(in->position(), 3u);
    auto out = Producer::resume(ring.memory.base(), eight);
    ASSERT_TRUE(out);
    EXPECT_EQ(out->position(), 4u);
}

TEST(Resume, RefusesAClosedRing) {
    Ring ring;
    ring.out.close();
    EXPECT_EQ(why(Producer::resume(ring.memory.base(), eight)), Errno::pipe);
    EXPECT_TRUE(Consumer::resume(ring.memory.base(), eight)) << "there may be something to drain";
    ring.in.close();
    EXPECT_EQ(why(Consumer::resume(ring.memory.base(), eight)), Errno::pipe);
}

void expect_broken(void (*spoil)(Ring&), bool producer, bool consumer) {
    for (const bool side : {true, false}) {
        Ring ring;
        ring.fill(0, 6);
        ring.take(0);
        ring.take(1);
        spoil(ring);
        rumpk_ring_line& line = side ? ring.memory.header().producer : ring.memory.header().consumer;
        const uint32_t epoch = line.epoch;
        const Errno got = side ? why(Producer::resume(ring.memory.base(), eight))
                               : why(Consumer::resume(ring.memory.base(), eight));
        const bool broken = side ? producer : consumer;
        EXPECT_EQ(got, broken ? Errno::io : Errno{0}) << (side ? "producer" : "consumer");
        EXPECT_EQ(line.epoch, epoch + 1);
        EXPECT_EQ(line.closed, uint32_t{broken ? RUMPK_RING_BROKEN : RUMPK_RING_OPEN});
    }
}

TEST(Resume, PositionsMoreThanALapApart) {
    expect_broken([](Ring& r) { r.memory.header().producer.position = 11; }, true, true);
    expect_broken([](Ring& r) { r.memory.header().consumer.position = 15; }, true, true);
    expect_broken([](Ring& r) { r.memory.header().consumer.position = ~0ull; }, true, true);
    expect_broken([](Ring& r) { r.memory.header().producer.position = 1ull << 63; }, true, true);
}

// Nobody sends 2^63 messages, and comparisons of positions rely on it.
TEST(Resume, PositionsThatNobodyReaches) {
    for (const uint64_t position : {1ull << 63, ~0ull - 2}) {
        Ring ring;
        ring.memory.header().producer.position = position;
        ring.memory.header().consumer.position = position;
        EXPECT_EQ(why(Producer::resume(ring.memory.base(), eight)), Errno::io);
        EXPECT_EQ(why(Consumer::resume(ring.memory.base(), eight)), Errno::io);
    }
}

TEST(Resume, SequencesThatAreNotConsecutive) {
    expect_broken(
        [](Ring& r) {
            r.memory.slot(4).sequence = 0;
            r.memory.header().producer.position = 6; // told: a consumer knows of no gap above it
        },
        true, true);
    expect_broken([](Ring& r) { r.memory.header().producer.position = 7; }, true, true);
    expect_broken([](Ring& r) { r.memory.header().consumer.position = 7; }, true, false);
    // Behind the gap: a dead producer leaves none, a live one may have filled it since.
    expect_broken([](Ring& r) { r.memory.slot(8).sequence = 9; }, true, false);
}

// The ring's memory as a death before each access would leave it.
class Snapshots final : public ion_test::Hook {
  public:
    explicit Snapshots(Shared& memory) : memory_(memory) { ion_test::HookedWords::hook = this; }
    ~Snapshots() { ion_test::HookedWords::hook = nullptr; }
    void before_access() override { all.emplace_back(memory_.bytes().begin(), memory_.bytes().end()); }

    std::vector<std::vector<std::byte>> all;

  private:
    Shared& memory_;
};

// Positions are told late; a whole lap committed on top of that must not leave the position
// more than a lap behind, wherever it is cut off.
TEST(Resume, WholeLapBehindAPositionToldLate) {
    constexpr ion::Geometry geometry = ion::Geometry::of(32, 32);
    Shared memory(geometry);
    ion_test::HookedAcrossProducer out(memory.base(), geometry);
    ion_test::HookedAcrossConsumer in(memory.base(), geometry);
    for (uint64_t i = 0; i < 3; ++i) {
        ASSERT_TRUE(out.push(1, bytes_of(i)));
        ASSERT_TRUE(in.peek());
        ASSERT_TRUE(in.release());
    }
    EXPECT_LT(memory.header().producer.position, 3u);
    auto lap = out.claim(32);
    ASSERT_TRUE(lap);
    ASSERT_EQ(lap->size(), 32u);
    for (uint32_t i = 0; i < 32; ++i) {
        ASSERT_TRUE(lap->describe(i, 1, 0));
    }
    Snapshots snapshots(memory);
    ASSERT_TRUE(out.commit(32));
    ion_test::HookedWords::hook = nullptr;
    ASSERT_EQ(snapshots.all.size(), 32u) << "a sequence each";
    uint64_t last = 0;
    for (const auto& snapshot : snapshots.all) {
        std::memcpy(memory.base(), snapshot.data(), snapshot.size());
        auto next = ion_test::HookedAcrossProducer::resume(memory.base(), geometry);
        ASSERT_TRUE(next);
        EXPECT_GE(next->position(), last) << "nothing published is lost";
        last = next->position();
        EXPECT_TRUE(ion_test::HookedAcrossConsumer::resume(memory.base(), geometry));
    }
    EXPECT_GE(last, 34u);
}

// Who sleeps on another core says so in the line of the one who rings.
TEST(Resume, WishForABellIsNotInherited) {
    Shared memory(eight);
    ion_test::HookedAcrossConsumer in(memory.base(), eight);
    ion_test::HookedAcrossProducer out(memory.base(), eight);
    EXPECT_FALSE(out.peer_waiting());
    in.arm();
    EXPECT_TRUE(out.peer_waiting());
    EXPECT_EQ(memory.header().producer.wanted, 1u);
    EXPECT_EQ(memory.header().consumer.waiting, 1u) << "for onlookers";
    ASSERT_TRUE(ion_test::HookedAcrossConsumer::resume(memory.base(), eight));
    EXPECT_FALSE(out.peer_waiting());
    out.arm();
    EXPECT_TRUE(in.peer_waiting());
    out.disarm();
    EXPECT_FALSE(in.peer_waiting());
}

} // namespace
