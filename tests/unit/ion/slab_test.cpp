// SPDX-License-Identifier: Apache-2.0
//
// Buffers whose ownership goes through rings: whose they are is always one party's; using after sending,
// freeing twice and leaks are found out; a dead owner's come back exactly once.
#include "ion/slab.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "tests/unit/ion/pair.h"

namespace {

using ion::BufferToken;
using ion::Errno;
using ion::SlabShape;
using ion_test::read_as;
using ion_test::why;

using Slabs = ion::BasicSlabs<false>;
using Checked = ion::BasicSlabs<true>;

constexpr SlabShape four = SlabShape::of(4, 128);

struct SlabTest : testing::Test {
    alignas(64) std::array<std::byte, four.bytes()> memory{};
    bool formatted = ion::format(memory, four).has_value();
    Slabs a{memory.data(), four, {1, 1}};
    Slabs b{memory.data(), four, {2, 1}};

    uint64_t& word(uint32_t index) { return reinterpret_cast<uint64_t*>(memory.data())[index]; }
};

TEST_F(SlabTest, AllAreUsedAndComeBack) {
    std::vector<Slabs::Buffer> held;
    for (int i = 0; i < 4; ++i) {
        auto buffer = a.allocate();
        ASSERT_TRUE(buffer);
        EXPECT_EQ(buffer->data().size(), 128u);
        std::memset(buffer->data().data(), i, 128);
        held.push_back(std::move(*buffer));
    }
    EXPECT_EQ(why(a.allocate()), Errno::again);
    EXPECT_EQ(why(b.allocate()), Errno::again);
    EXPECT_EQ(a.owned_by(1), 4u);
    for (int i = 0; i < 4; ++i) {
        EXPECT_EQ(held[static_cast<size_t>(i)].data()[127], std::byte(i)) << "they do not overlap";
    }
    held.pop_back();
    EXPECT_TRUE(b.allocate());
    held.clear();
    EXPECT_EQ(a.owned_by(1), 0u);
}

TEST_F(SlabTest, OwnershipGoesThroughARing) {
    ion_test::Ring ring;
    auto buffer = a.allocate();
    ASSERT_TRUE(buffer);
    buffer->data()[5] = std::byte{42};
    ring.fill(0, 8);
    EXPECT_EQ(why(ring.out.claim()), Errno::again) << "full, and the buffer is still ours";
    EXPECT_EQ(a.owned_by(1), 1u);
    for (uint64_t i = 0; i < 8; ++i) {
        ring.take(i);
    }
    auto slot = ring.out.claim();
    ASSERT_TRUE(slot);
    auto token = buffer->send(2);
    ASSERT_TRUE(token);
    EXPECT_TRUE(buffer->data().empty()) << "sent";
    EXPECT_EQ(why(buffer->send(2)), Errno::inval);
    EXPECT_EQ(why(buffer->free()), Errno::inval);
    std::memcpy(slot->payload.data(), &*token, sizeof *token);
    ASSERT_TRUE(ring.out.publish(1, sizeof *token));
    EXPECT_EQ(a.owned_by(1), 0u);
    EXPECT_EQ(a.owned_by(2), 1u);

    auto message = ring.in.peek();
    ASSERT_TRUE(message);
    const auto seen = read_as<BufferToken>(message->payload);
    EXPECT_EQ(why(a.adopt(seen)), Errno::srch) << "not for us";
    {
        auto mine = b.adopt(seen);
        ASSERT_TRUE(mine);
        EXPECT_EQ(mine->data()[5], std::byte{42});
        EXPECT_EQ(why(b.adopt(seen)), Errno::srch) << "it is adopted";
    }
    EXPECT_EQ(why(b.adopt(seen)), Errno::srch) << "it is free";
    EXPECT_EQ(b.owned_by(2), 0u);
}

TEST_F(SlabTest, TokensThatLie) {
    EXPECT_EQ(why(b.adopt({4, 0})), Errno::srch);
    EXPECT_EQ(why(b.adopt({~0u, 0})), Errno::srch);
    auto buffer = a.allocate();
    EXPECT_EQ(why(b.adopt({0, 1})), Errno::srch) << "somebody else's";
    EXPECT_EQ(why(buffer->send(0)), Errno::inval);
}

TEST_F(SlabTest, WordsThatLie) {
    std::mt19937_64 random(1);
    uint64_t got = 0;
    for (int i = 0; i < 100000; ++i) {
        word(static_cast<uint32_t>(random() % 4)) = random() & 0xffffffff00010003;
        if (auto buffer = a.allocate()) {
            std::memset(buffer->data().data(), 1, buffer->data().size());
            word(static_cast<uint32_t>(random() % 4)) = random() & 0x100010003;
            got += buffer->send(2).has_value();
        }
        got +=
            b.adopt({static_cast<uint32_t>(random() % 5), static_cast<uint32_t>(random() % 2)}).has_value();
        EXPECT_LE(a.sweep(1), 4u);
    }
    EXPECT_GT(got, 0u);
}

// A token that was used fits no more when the same buffer is under way to the same party again.
TEST_F(SlabTest, TokensOfAnEarlierTurn) {
    auto first = a.allocate()->send(2);
    ASSERT_TRUE(first);
    auto back = b.adopt(*first)->send(1);
    ASSERT_TRUE(back);
    auto second = a.adopt(*back)->send(2);
    ASSERT_TRUE(second);
    EXPECT_EQ(why(b.adopt(*first)), Errno::srch);
    EXPECT_TRUE(b.adopt(*second));
}

// Who formats forgets who had what; who had it finds out.
TEST_F(SlabTest, FormattedAgain) {
    auto old = a.allocate();
    ASSERT_TRUE(old && ion::format(memory, four));
    Slabs anew(memory.data(), four, {1, 1});
    auto buffer = anew.allocate();
    ASSERT_TRUE(buffer);
    ASSERT_EQ(buffer->data().data(), old->data().data());
    EXPECT_EQ(why(old->free()), Errno::inval);
    EXPECT_TRUE(buffer->free());
}

// Held, adopted but not given back, and under way: the successor has what its ring still holds, the rest
// comes back once.
TEST_F(SlabTest, DeadOwnersBuffersComeBackOnce) {
    auto held = b.allocate();
    auto first = a.allocate()->send(2);
    auto second = a.allocate()->send(2);
    auto lost = a.allocate()->send(2);
    ASSERT_TRUE(held && first && second && lost);
    auto adopted = b.adopt(*first); // peeked, not released; `lost` was released and not adopted
    ASSERT_TRUE(adopted);
    Slabs successor(memory.data(), four, {2, 2});
    auto again = successor.adopt(*first);
    auto other = successor.adopt(*second);
    ASSERT_TRUE(again && other);
    EXPECT_EQ(why(adopted->free()), Errno::inval) << "what the dead one still does has no effect";
    EXPECT_EQ(a.sweep(2, 2), 2u);
    EXPECT_EQ(a.sweep(2, 2), 0u);
    EXPECT_EQ(why(held->free()), Errno::inval);
    EXPECT_EQ(successor.owned_by(2), 2u);
    ASSERT_TRUE(again->free());
    EXPECT_EQ(a.sweep(2), 1u) << "without a successor all of it";
    EXPECT_EQ(why(other->free()), Errno::inval);
    EXPECT_EQ(a.owned_by(2), 0u);
}

TEST(SlabDeathTest, CheckedHandlesStop) {
    alignas(64) static std::array<std::byte, four.bytes()> memory{};
    ASSERT_TRUE(ion::format(memory, four));
    Checked slabs(memory.data(), four, {1, 1});
    auto* words = reinterpret_cast<uint64_t*>(memory.data());
    EXPECT_DEATH(
        {
            auto buffer = slabs.allocate();
            words[0] += uint64_t{1} << 32; // as if sent through a copy of the handle
            (void)buffer->data();
        },
        "");
    EXPECT_DEATH(
        {
            auto buffer = slabs.allocate();
            words[0] += uint64_t{1} << 32;
            (void)buffer->free();
        },
        "");
}

TEST(SlabShape, Limits) {
    EXPECT_EQ(why(SlabShape::make(0, 64)), Errno::inval);
    EXPECT_EQ(why(SlabShape::make(1, 63)), Errno::inval);
    EXPECT_EQ(why(SlabShape::make(1, 0)), Errno::inval);
    EXPECT_EQ(four.bytes(), 64u + 4 * 128);
    std::array<std::byte, 8> small{};
    EXPECT_EQ(why(ion::format(small, four)), Errno::inval);
}

// One sends, one frees, and a third sweeps the second's in between: each comes back once, however they meet.
TEST(SlabStress, SweptWhileItIsFreed) {
    constexpr SlabShape shape = SlabShape::of(64, 64);
    alignas(64) static std::array<std::byte, shape.bytes()> memory{};
    ASSERT_TRUE(ion::format(memory, shape));
    constexpr uint64_t rounds = 20000;
    std::atomic<uint64_t> box{0};
    std::atomic<bool> over{false};
    uint64_t freed = 0;
    uint64_t missed = 0;
    uint64_t swept = 0;
    std::thread receiver([&] {
        Slabs mine(memory.data(), shape, {2, 1});
        while (true) {
            const bool last = over.load();
            const uint64_t packed = box.exchange(0);
            if (packed != 0) {
                auto buffer =
                    mine.adopt({static_cast<uint32_t>(packed), static_cast<uint32_t>(packed >> 32)});
                const bool ours = buffer && buffer->free();
                freed += ours;
                missed += !ours;
            } else if (last) {
                return;
            }
        }
    });
    std::thread sweeper([&] {
        Slabs any(memory.data(), shape, {3, 1});
        while (!over.load()) {
            swept += any.sweep(2);
            std::this_thread::yield();
        }
    });
    Slabs mine(memory.data(), shape, {1, 1});
    for (uint64_t i = 0; i < rounds;) {
        auto buffer = mine.allocate();
        if (!buffer || box.load() != 0) {
            std::this_thread::yield();
            continue;
        }
        buffer->data()[0] = std::byte{1};
        const auto token = buffer->send(2);
        ASSERT_TRUE(token);
        box.store(uint64_t{token->generation} << 32 | token->index);
        ++i;
    }
    while (box.load() != 0) {
        std::this_thread::yield();
    }
    over.store(true);
    receiver.join();
    sweeper.join();
    EXPECT_EQ(freed + missed, rounds);
    EXPECT_EQ(freed + swept + mine.owned_by(2), rounds) << "each exactly once";
    EXPECT_EQ(mine.owned_by(1), 0u);
}

} // namespace
