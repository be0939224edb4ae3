// SPDX-License-Identifier: Apache-2.0
//
// Broadcast rings: each rule by name on one thread, any content of a consumer's page or of the slots, and
// many consumers on threads of their own.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "ion/broadcast.h"
#include "tests/unit/ion/shared.h"

namespace {

using ion::BroadcastConsumer;
using ion::BroadcastProducer;
using ion::BroadcastShape;
using ion::Errno;
using ion::Geometry;
using ion_test::bytes_of;
using ion_test::read_as;

constexpr BroadcastShape three = BroadcastShape::of(Geometry::of(8, 32), 3);

// Exactly as long as it must be, for AddressSanitizer.
struct Memory {
    explicit Memory(BroadcastShape given) : shape(given) {
        data = static_cast<std::byte*>(::operator new(shape.bytes(), std::align_val_t{4096}));
        std::memset(data, 0xa5, shape.bytes());
        if (!ion::format(std::span(data, shape.bytes()), shape)) {
            std::terminate();
        }
    }
    ~Memory() { ::operator delete(data, std::align_val_t{4096}); }
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    rumpk_broadcast_page& page(uint32_t number) const {
        return *reinterpret_cast<rumpk_broadcast_page*>(data + number * size_t{4096});
    }
    rumpk_slot_header& slot(uint64_t position) const {
        const Geometry geometry = shape.geometry();
        return *reinterpret_cast<rumpk_slot_header*>(data + shape.slots_offset() +
                                                     position % geometry.slots() * geometry.slot_size());
    }

    BroadcastShape shape;
    std::byte* data;
};

template <class T>
Errno why(const ion::Result<T>& result) {
    return result ? Errno{0} : result.error();
}

template <class Consumer>
void take(Consumer& in, uint64_t value) {
    auto message = in.peek();
    ASSERT_TRUE(message);
    EXPECT_EQ(read_as<uint64_t>(message->payload), value);
    ASSERT_TRUE(in.release());
}

struct Broadcast : testing::Test {
    Memory memory{three};
    BroadcastProducer out{memory.data, three};
    BroadcastConsumer a{memory.data, three, 0};
    BroadcastConsumer b{memory.data, three, 1};
    BroadcastConsumer c{memory.data, three, 2, 0b011}; // behind a and b

    void push(uint64_t value) { ASSERT_TRUE(out.push(1, bytes_of(value))); }
    void fill(uint64_t from, uint64_t count) {
        for (uint64_t i = from; i < from + count; ++i) {
            push(i);
        }
    }
};

TEST_F(Broadcast, EverybodySeesEverything) {
    fill(0, 5);
    for (uint64_t i = 0; i < 5; ++i) {
        take(a, i);
        take(b, i);
        take(c, i);
    }
    EXPECT_EQ(why(a.peek()), Errno::again);
    EXPECT_EQ(why(a.release()), Errno::inval);
}

TEST_F(Broadcast, SlowestHoldsTheProducer) {
    fill(0, 8);
    EXPECT_EQ(why(out.claim()), Errno::again);
    for (uint64_t i = 0; i < 8; ++i) {
        take(a, i);
        take(b, i);
    }
    EXPECT_EQ(why(out.claim()), Errno::again);
    take(c, 0);
    EXPECT_TRUE(out.claim());
    push(8);
    EXPECT_EQ(why(out.claim()), Errno::again);
}

TEST_F(Broadcast, BehindWaitsForAllBeforeIt) {
    fill(0, 2);
    EXPECT_EQ(why(c.peek()), Errno::again);
    take(a, 0);
    EXPECT_EQ(why(c.peek()), Errno::again);
    take(b, 0);
    take(c, 0);
    EXPECT_EQ(why(c.peek()), Errno::again);
    EXPECT_TRUE(out.expel(0));
    EXPECT_EQ(why(c.peek()), Errno::again);
    take(b, 1);
    take(c, 1); // a does not count any more
    EXPECT_EQ(why(a.peek()), Errno{0}) << "what is there can be looked at";
    EXPECT_EQ(why(a.release()), Errno::pipe) << "but it may be torn";
    EXPECT_EQ(why(a.peek()), Errno::pipe);
}

TEST_F(Broadcast, TheEndComesBehindTheLastMessage) {
    push(0);
    out.close();
    EXPECT_EQ(why(out.claim()), Errno::pipe);
    take(a, 0);
    EXPECT_EQ(why(a.peek()), Errno::pipe);
    EXPECT_EQ(why(c.peek()), Errno::again);
    take(b, 0);
    take(c, 0);
    EXPECT_EQ(why(c.peek()), Errno::pipe);
}

TEST_F(Broadcast, WhoeverClosesHoldsNobody) {
    fill(0, 8);
    a.close();
    b.close();
    EXPECT_EQ(why(out.claim()), Errno::again);
    EXPECT_EQ(out.active(), 0b100u);
    for (uint64_t i = 0; i < 8; ++i) {
        take(c, i);
    }
    push(8);
    c.close();
    fill(9, 7);
    EXPECT_EQ(why(out.claim()), Errno::pipe) << "nobody is left";
}

TEST_F(Broadcast, WhoeverClosesKeepsNobodyBehindItWaiting) {
    push(0);
    take(a, 0);
    b.close();
    take(c, 0); // the producer has not looked
    EXPECT_EQ(out.active(), 0b111u);
    b = BroadcastConsumer::join(memory.data, three, 1);
    ASSERT_TRUE(out.admit(1));
    push(1);
    take(a, 1);
    EXPECT_EQ(why(c.peek()), Errno::again) << "it has come back";
    take(b, 1);
    take(c, 1);
}

TEST_F(Broadcast, BellsAreWishedForInOnesOwnPage) {
    EXPECT_EQ(out.consumers_waiting(), 0u);
    a.arm();
    c.arm();
    EXPECT_EQ(out.consumers_waiting(), 0b101u);
    EXPECT_EQ(b.consumers_waiting(), 0b101u) << "who stands before others rings them";
    EXPECT_FALSE(b.producer_waiting());
    out.arm();
    EXPECT_TRUE(b.producer_waiting());
    a.disarm();
    EXPECT_EQ(out.consumers_waiting(), 0b100u);
}

TEST_F(Broadcast, ConsumerReturns) {
    fill(0, 3);
    take(a, 0);
    ASSERT_TRUE(a.peek());
    a.arm();
    auto next = BroadcastConsumer::resume(memory.data, three, 0);
    ASSERT_TRUE(next);
    EXPECT_EQ(out.consumers_waiting(), 0u) << "the dead do not wait";
    EXPECT_TRUE(next->again());
    take(*next, 1);
    take(*next, 2);
    push(3);
    EXPECT_FALSE(next->again());
    take(*next, 3);
}

TEST_F(Broadcast, ProducerReturns) {
    fill(0, 3);
    take(a, 0);
    // It died behind the sequence of message 3 and before its position, with message 4 half written.
    const uint64_t value = 3;
    std::memcpy(&memory.slot(3) + 1, &value, sizeof value);
    memory.slot(3).length = sizeof value;
    memory.slot(3).sequence = 4;
    memory.slot(4).length = 99;
    auto next = BroadcastProducer::resume(memory.data, three);
    ASSERT_TRUE(next);
    EXPECT_EQ(next->position(), 4u);
    for (uint64_t i = 4; i < 8; ++i) {
        ASSERT_TRUE(next->push(1, bytes_of(i)));
    }
    EXPECT_EQ(why(next->claim()), Errno::again);
    for (uint64_t i = 1; i < 8; ++i) {
        take(a, i);
    }
    for (uint64_t i = 0; i < 8; ++i) {
        take(b, i);
        take(c, i);
    }
    next->close();
    EXPECT_EQ(why(BroadcastProducer::resume(memory.data, three)), Errno::pipe);
}

TEST_F(Broadcast, ExpelledJoinsAgain) {
    fill(0, 8);
    EXPECT_TRUE(out.expel(0));
    EXPECT_EQ(why(BroadcastConsumer::resume(memory.data, three, 0)), Errno::pipe);
    for (uint64_t i = 0; i < 8; ++i) {
        take(b, i);
        take(c, i);
    }
    auto again = BroadcastConsumer::join(memory.data, three, 0);
    ASSERT_TRUE(out.admit(0));
    EXPECT_EQ(why(out.admit(3)), Errno::inval);
    EXPECT_EQ(why(out.expel(3)), Errno::inval);
    EXPECT_EQ(why(out.expel(33)), Errno::inval);
    EXPECT_EQ(out.active(), 0b111u);
    fill(8, 8);
    EXPECT_EQ(why(out.claim()), Errno::again);
    for (uint64_t i = 8; i < 16; ++i) {
        take(again, i);
    }
    EXPECT_EQ(why(out.claim()), Errno::again) << "b and c have not released any of these";
}

TEST_F(Broadcast, WhoeverJoinsAgainIsNotOvertaken) {
    push(0);
    EXPECT_TRUE(out.expel(0));
    EXPECT_TRUE(out.expel(1));
    take(c, 0); // nobody is before it
    push(1);
    ASSERT_TRUE(c.peek());
    auto again = BroadcastConsumer::join(memory.data, three, 0);
    ASSERT_TRUE(out.admit(0));
    fill(2, 2);
    take(c, 1); // published before
    EXPECT_EQ(why(c.peek()), Errno::again);
    take(again, 2);
    take(c, 2);
    EXPECT_EQ(why(c.peek()), Errno::again);
    memory.page(0).position = 1; // told late
    take(again, 3);
    take(c, 3);
}

TEST_F(Broadcast, AdmittedWhereNoConsumerCanStand) {
    fill(0, 5);
    EXPECT_TRUE(out.expel(0));
    memory.page(1).position = 6;
    EXPECT_EQ(why(out.admit(0)), Errno::io) << "ahead of what was published";
    memory.page(1).position = 0;
    EXPECT_EQ(why(out.admit(0)), Errno::io) << "its slots are about to be written";
    EXPECT_EQ(out.active(), 0b110u);
}

TEST_F(Broadcast, LiarIsExpelledAndTheOthersGoOn) {
    fill(0, 8);
    memory.page(1).position = 9; // more than was published
    for (uint64_t i = 0; i < 8; ++i) {
        take(b, i);
    }
    EXPECT_EQ(why(out.claim()), Errno::again) << "c is at 0";
    EXPECT_EQ(out.liars(), 0b001u);
    for (uint64_t i = 0; i < 8; ++i) {
        take(c, i);
    }
    ASSERT_TRUE(out.claim());
    push(8);
    memory.page(2).position = 3; // takes back what it had released
    fill(9, 7);
    EXPECT_EQ(why(out.claim()), Errno::again);
    EXPECT_EQ(out.liars(), 0b011u);
    take(c, 8);
    EXPECT_TRUE(out.claim());
}

TEST_F(Broadcast, SlotsThatLie) {
    push(0);
    memory.slot(0).length = 17;
    EXPECT_EQ(why(a.peek()), Errno::io);
    EXPECT_EQ(a.closed(), ion::Close::broken);
    memory.slot(0).length = 8;
    EXPECT_EQ(why(a.peek()), Errno::io) << "it stays so";
    take(b, 0);
}

TEST(BroadcastShape, Limits) {
    EXPECT_EQ(why(BroadcastShape::make(Geometry::of(8, 32), 0)), Errno::inval);
    EXPECT_EQ(why(BroadcastShape::make(Geometry::of(8, 32), 33)), Errno::inval);
    EXPECT_EQ(BroadcastShape::of(Geometry::of(8, 32), 32).everybody(), ~0u);
    EXPECT_EQ(three.bytes(), 4 * 4096u + 8 * 32);
    std::array<std::byte, 64> small{};
    EXPECT_EQ(why(ion::format(small, three)), Errno::inval);
}

// Every word that somebody else may write is rewritten between any two calls; ASan watches the memory.
TEST(BroadcastHostile, AnyContentOfPagesAndSlots) {
    std::mt19937_64 random(1);
    uint64_t results = 0;
    uint64_t liars = 0;
    for (unsigned run = 0; run < 300; ++run) {
        Memory memory(three);
        BroadcastProducer out(memory.data, three);
        BroadcastConsumer in(memory.data, three, 2, 0b011);
        const auto value = [&] {
            const uint64_t near = out.position() - 2 + random() % 5;
            return random() % 4 == 0 ? random() : near;
        };
        for (unsigned call = 0; call < 2000; ++call) {
            auto& page =
                memory.page(static_cast<uint32_t>(random() % (run % 2 == 0 ? 3 : 4) + (run % 2 == 0)));
            switch (random() % 4) {
            case 0:
                page.position = value();
                break;
            case 1:
                page.closed = random() % 8 == 0 ? static_cast<uint32_t>(random()) : 0;
                break;
            case 2:
                page.waiting = static_cast<uint32_t>(random());
                break;
            default:
                memory.slot(random()).sequence = static_cast<uint32_t>(value());
                memory.slot(random()).length = static_cast<uint32_t>(random() % 24);
            }
            const uint64_t tail = out.position();
            if (auto slot = out.claim()) {
                std::memset(slot->payload.data(), 1, slot->payload.size());
                ASSERT_EQ(slot->payload.size(), 16u);
                ASSERT_TRUE(out.publish(1, 16));
                ASSERT_EQ(out.position(), tail + 1);
                ++results;
            }
            if (auto message = in.peek()) {
                ASSERT_LE(message->payload.size(), 16u);
                for (const std::byte b : message->payload) {
                    results += static_cast<unsigned>(b) & 1;
                }
                (void)in.release();
            }
            (void)out.consumers_waiting();
            if (random() % 64 == 0) {
                (void)out.admit(static_cast<uint32_t>(random()));
                (void)BroadcastConsumer::resume(memory.data, three, 2);
            }
            if (in.closed() != ion::Close::open) {
                in = BroadcastConsumer::join(memory.data, three, 2, 0b011);
                (void)out.admit(2);
            }
            if (random() % 256 == 0) {
                if (auto next = BroadcastProducer::resume(memory.data, three)) {
                    out = *next;
                }
            }
        }
        liars += out.liars() != 0;
    }
    EXPECT_GT(results, 100000u);
    EXPECT_GT(liars, 0u);
}

// Threads: two side by side and one behind both, who checks that both were there first.
TEST(BroadcastStress, OneBehindTwo) {
    constexpr uint64_t messages = 30000;
    constexpr BroadcastShape shape = BroadcastShape::of(Geometry::of(64, 32), 3);
    Memory memory(shape);
    std::array<std::vector<uint64_t>, 2> notes{std::vector<uint64_t>(64), std::vector<uint64_t>(64)};
    std::array<uint64_t, 3> wrong{};
    const auto consume = [&](uint32_t k, uint32_t behind, auto use) {
        ion::BasicBroadcastConsumer<ion::Symmetric> in(memory.data, shape, k, behind);
        while (true) {
            auto message = in.peek();
            if (message) {
                use(in.position(), read_as<uint64_t>(message->payload));
                (void)in.release();
            } else if (message.error() == Errno::again) {
                std::this_thread::yield();
            } else {
                wrong[k] += in.position() != messages;
                return;
            }
        }
    };
    const auto first = [&](uint32_t k) {
        consume(k, 0, [&, k](uint64_t p, uint64_t value) {
            wrong[k] += value != p * 3;
            notes[k][p % 64] = value; // plain memory: TSan sees whether the barrier orders it
        });
    };
    std::thread a(first, 0);
    std::thread b(first, 1);
    std::thread c([&] {
        consume(2, 0b011, [&](uint64_t p, uint64_t value) {
            wrong[2] += notes[0][p % 64] != value || notes[1][p % 64] != value || value != p * 3;
        });
    });
    ion::BasicBroadcastProducer<ion::Symmetric> out(memory.data, shape);
    for (uint64_t p = 0; p < messages;) {
        const uint64_t value = p * 3;
        if (out.push(1, bytes_of(value))) {
            ++p;
        } else {
            std::this_thread::yield();
        }
    }
    out.close();
    a.join();
    b.join();
    c.join();
    EXPECT_EQ(wrong, (std::array<uint64_t, 3>{}));
    EXPECT_EQ(out.liars(), 0u);
}

} // namespace
