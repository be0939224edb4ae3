// SPDX-License-Identifier: Apache-2.0
//
// A ring made ready for a consumer that does not know of its predecessor (ion/renew.h).
#include "ion/renew.h"
#include "tests/unit/ion/pair.h"

namespace {

using ion::Consumer;
using ion::Producer;
using ion_test::bytes_of;
using ion_test::eight;
using ion_test::read_as;
using ion_test::Ring;

std::span<std::byte> memory_of(Ring& ring) {
    return {static_cast<std::byte*>(ring.memory.base()), eight.bytes()};
}

// Messages from `from` on, `kept` of them, wherever in the lap they stand.
void expect_kept(uint64_t before, uint32_t kept) {
    Ring ring;
    for (uint64_t i = 0; i < before; ++i) {
        ring.push(i);
        ring.take(i);
    }
    ring.fill(before, kept);
    if (kept < eight.slots()) {
        auto slot = ring.out.claim(); // it is being filled
        ASSERT_TRUE(slot);
        slot->payload[5] = std::byte{77};
    }
    const uint32_t epoch = ring.in.epoch();

    ion::renew(memory_of(ring), eight, before, kept);
    auto out = Producer::resume(ring.memory.base(), eight);
    ASSERT_TRUE(out);
    Consumer in(ring.memory.base(), eight);
    EXPECT_NE(in.epoch(), epoch);
    EXPECT_EQ(in.epoch(), epoch + 1);
    EXPECT_EQ(out->position(), kept);
    EXPECT_EQ(out->free(), eight.slots() - kept);
    if (kept < eight.slots()) {
        auto slot = out->claim();
        ASSERT_TRUE(slot);
        EXPECT_EQ(slot->payload[5], std::byte{77}) << "what was being filled is the next one still";
        ASSERT_TRUE(out->push(1, bytes_of(before + kept)));
    }
    const uint64_t all = before + kept + (kept < eight.slots() ? 1 : 0);
    for (uint64_t i = before; i < all; ++i) {
        auto message = in.peek();
        ASSERT_TRUE(message);
        EXPECT_EQ(message->tag, 1u);
        EXPECT_EQ(read_as<uint64_t>(message->payload), i);
        ASSERT_TRUE(in.release());
    }
    EXPECT_FALSE(in.peek());
}

TEST(Renew, KeepsWhatWasNotReleasedWhereverItStands) {
    for (uint64_t before = 0; before <= 2 * eight.slots() + 1; ++before) {
        for (uint32_t kept = 0; kept <= eight.slots(); ++kept) {
            SCOPED_TRACE(testing::Message() << before << " released, " << kept << " kept");
            expect_kept(before, kept);
        }
    }
}

TEST(Renew, BelievesNothingThatStandsInTheRing) {
    Ring ring;
    ring.fill(0, 3);
    std::byte* const base = memory_of(ring).data();
    auto* const header = reinterpret_cast<rumpk_ring_header*>(base);
    for (rumpk_ring_line* line : {&header->producer, &header->consumer}) {
        line->position = 1ULL << 63;
        line->epoch = 7;
        line->closed = RUMPK_RING_BROKEN;
        line->waiting = 9;
    }
    for (uint32_t i = 0; i < eight.slots(); ++i) {
        auto& slot =
            *reinterpret_cast<rumpk_slot_header*>(base + RUMPK_RING_HEADER_SIZE + i * eight.slot_size());
        slot = {.sequence = i + 1, .tag = 1, .length = ~0U, .reserved = 5};
    }
    ion::renew(memory_of(ring), eight, 0, 3);
    auto out = Producer::resume(ring.memory.base(), eight);
    ASSERT_TRUE(out);
    EXPECT_EQ(out->position(), 3u);
    Consumer in(ring.memory.base(), eight);
    for (uint32_t i = 0; i < 3; ++i) {
        auto message = in.peek();
        ASSERT_TRUE(message);
        EXPECT_EQ(message->payload.size(), eight.capacity());
        ASSERT_TRUE(in.release());
    }
    EXPECT_EQ(ion_test::why(in.peek()), ion::Errno::again);
}

// What whoever died may have left: anything.
void spoil(Ring& ring) {
    std::byte* const base = memory_of(ring).data();
    auto* const header = reinterpret_cast<rumpk_ring_header*>(base);
    for (rumpk_ring_line* line : {&header->producer, &header->consumer}) {
        line->position = 1ULL << 63;
        line->closed = RUMPK_RING_BROKEN;
        line->waiting = 9;
    }
    for (uint32_t i = 0; i < eight.slots(); ++i) {
        auto& slot =
            *reinterpret_cast<rumpk_slot_header*>(base + RUMPK_RING_HEADER_SIZE + i * eight.slot_size());
        slot.sequence = i % 2 == 0 ? ~0U : i + 1;
    }
}

// In steps of three slots.
void mend(Ring& ring, ion::UnderWay kept) {
    for (uint32_t slot = 0; slot < eight.slots(); slot += 3) {
        ion::mend(memory_of(ring), eight, kept, slot, 3);
    }
}

// With every number of messages released before, on two laps, and every number of them in the ring.
template <class Try>
void with_every_ring(Try attempt) {
    for (uint64_t before = 0; before <= 2 * eight.slots(); ++before) {
        for (uint32_t kept = 0; kept <= eight.slots(); ++kept) {
            SCOPED_TRACE(testing::Message() << before << " released, " << kept << " kept");
            Ring ring;
            for (uint64_t i = 0; i < before; ++i) {
                ring.push(i);
                ring.take(i);
            }
            ring.fill(before, kept);
            attempt(ring, before, kept);
        }
    }
}

TEST(Mend, TheProducerLivesOn) {
    with_every_ring([](Ring& ring, uint64_t before, uint32_t kept) {
        EXPECT_EQ(ring.out.free(), eight.slots() - kept); // a fresh look, before it is spoilt
        spoil(ring);
        mend(ring, {before, kept});
        auto in = Consumer::resume(ring.memory.base(), eight);
        ASSERT_TRUE(in);
        EXPECT_EQ(ring.out.free(), eight.slots() - kept);
        uint64_t all = before + kept;
        if (kept < eight.slots()) {
            ASSERT_TRUE(ring.out.push(1, bytes_of(all++)));
        }
        for (uint64_t i = before; i < all; ++i) {
            auto message = in->peek();
            ASSERT_TRUE(message);
            EXPECT_EQ(read_as<uint64_t>(message->payload), i);
            ASSERT_TRUE(in->release());
        }
        EXPECT_EQ(ion_test::why(in->peek()), ion::Errno::again);
    });
}

TEST(Mend, TheConsumerLivesOn) {
    with_every_ring([](Ring& ring, uint64_t before, uint32_t kept) {
        spoil(ring);
        mend(ring, {before, kept});
        auto out = Producer::resume(ring.memory.base(), eight);
        ASSERT_TRUE(out);
        EXPECT_EQ(out->position(), before + kept);
        EXPECT_EQ(out->free(), eight.slots() - kept);
        for (uint64_t i = before; i < before + kept; ++i) {
            ring.take(i);
        }
        EXPECT_EQ(ion_test::why(ring.in.peek()), ion::Errno::again);
        ASSERT_TRUE(out->push(1, bytes_of(before + kept)));
        ring.take(before + kept);
    });
}

TEST(Mend, TheProducerGoesOnBetweenTwoSteps) {
    Ring ring;
    ring.fill(0, 2);
    spoil(ring);
    auto* const header = reinterpret_cast<rumpk_ring_header*>(memory_of(ring).data());
    header->consumer = {};
    ion::mend(memory_of(ring), eight, {0, 2}, 0, 2);
    ring.push(2);
    ion::mend(memory_of(ring), eight, {0, 3}, 2, 6);
    auto in = Consumer::resume(ring.memory.base(), eight);
    ASSERT_TRUE(in);
    for (uint64_t i = 0; i < 3; ++i) {
        auto message = in->peek();
        ASSERT_TRUE(message);
        EXPECT_EQ(read_as<uint64_t>(message->payload), i);
        ASSERT_TRUE(in->release());
    }
    EXPECT_FALSE(in->peek());
}

} // namespace
