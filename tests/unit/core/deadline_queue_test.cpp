// SPDX-License-Identifier: Apache-2.0
//
// The deadline queue: exact order, ties in order of insertion, what has passed is
// due at once, bounded work; alone and against std::set.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <span>
#include <tuple>
#include <vector>

#include "core/deadline_queue.h"
#include "tests/unit/core/random.h"

namespace {

using namespace rumpk;
using core_test::Random;

constexpr uint64_t second = 1'000'000'000;

// A queue with its storage.
struct Queue : DeadlineQueue {
    explicit Queue(size_t deadlines = 64) : storage(families_for(deadlines) + 1) {
        prepare(std::span(storage).first(families_for(deadlines))); // the last is somebody else's
    }
    std::vector<Family> storage;
};

// Calls advance() as a timer interrupt would, again and again while it asks for it.
std::vector<DeadlineNode*> all_due(DeadlineQueue& queue, uint64_t now) {
    std::vector<DeadlineNode*> found;
    while (queue.next() <= Instant{now}) {
        const size_t before = found.size();
        queue.advance(Instant{now});
        while (DeadlineNode* const node = queue.pop_due()) {
            EXPECT_FALSE(node->pending());
            found.push_back(node);
        }
        EXPECT_GT(found.size(), before) << "an interrupt that serves nobody";
    }
    return found;
}

std::vector<DeadlineNode*> nodes(std::initializer_list<DeadlineNode*> list) {
    return list;
}

TEST(DeadlineQueue, Empty) {
    Queue queue;
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.next(), Instant::never());
    queue.advance(Instant{5});
    EXPECT_EQ(queue.pop_due(), nullptr);
}

TEST(DeadlineQueue, ExactToTheNanosecond) {
    Queue queue;
    DeadlineNode node;
    for (const uint64_t when :
         std::vector<uint64_t>{0, 1, 63, 64, 123456789, 3600 * second, 1ULL << 63, ~0ULL - 1}) {
        queue.insert(node, Instant{when});
        EXPECT_TRUE(node.pending());
        EXPECT_EQ(queue.next(), Instant{when});
        if (when > 0) {
            queue.advance(Instant{when - 1});
            EXPECT_EQ(queue.pop_due(), nullptr);
        }
        EXPECT_EQ(all_due(queue, when), nodes({&node})) << when;
        EXPECT_TRUE(queue.empty());
    }
}

TEST(DeadlineQueue, EarliestFirstTiesInOrderOfInsertion) {
    Queue queue;
    std::array<DeadlineNode, 40> tied;
    DeadlineNode earlier;
    for (DeadlineNode& node : tied) {
        queue.insert(node, Instant{5000});
    }
    queue.insert(earlier, Instant{4999});
    const auto due = all_due(queue, 5000);
    ASSERT_EQ(due.size(), tied.size() + 1);
    EXPECT_EQ(due[0], &earlier);
    for (size_t i = 0; i < tied.size(); ++i) {
        EXPECT_EQ(due[i + 1], &tied[i]) << i;
    }
}

TEST(DeadlineQueue, WhatHasPassedIsDueAtOnceInItsOrder) {
    Queue queue;
    DeadlineNode now;
    DeadlineNode passed;
    queue.advance(Instant{second});
    queue.insert(now, Instant{second});
    queue.insert(passed, Instant{7});
    EXPECT_EQ(queue.next(), Instant{7});
    EXPECT_EQ(all_due(queue, second), nodes({&passed, &now}));
}

TEST(DeadlineQueue, CancelledIsGone) {
    Queue queue;
    DeadlineNode a;
    DeadlineNode b;
    DeadlineNode c;
    queue.insert(a, Instant{100});
    queue.insert(b, Instant{100});
    queue.insert(c, Instant{100});
    queue.cancel(b);
    EXPECT_FALSE(b.pending());
    EXPECT_EQ(all_due(queue, 100), nodes({&a, &c}));
    queue.insert(a, Instant{200});
    queue.cancel(a);
    EXPECT_TRUE(queue.empty());
}

TEST(DeadlineQueue, MistakesFault) {
    Queue queue(9);
    std::array<DeadlineNode, 10> node;
    EXPECT_DEATH(queue.cancel(node[0]), "");
    EXPECT_DEATH(queue.insert(node[0], Instant::never()), "");
    queue.insert(node[9], Instant{1});
    EXPECT_DEATH(queue.insert(node[9], Instant{1}), "");
    queue.cancel(node[9]);
    for (size_t i = 0; i < 9; ++i) {
        queue.insert(node[i], Instant{1});
    }
    EXPECT_DEATH(queue.insert(node[9], Instant{2}), "") << "no storage";
    Queue other;
    std::array<DeadlineNode, 9> others;
    for (DeadlineNode& one : others) {
        other.insert(one, Instant{1});
    }
    EXPECT_DEATH(other.cancel(node[0]), "") << "pending elsewhere";
}

TEST(DeadlineQueue, StorageHoldsWhatItWasAskedFor) {
    static_assert(DeadlineQueue::families_for(0) == 1 && DeadlineQueue::families_for(1) == 1);
    static_assert(DeadlineQueue::families_for(2) == 2 && DeadlineQueue::families_for(9) == 2);
    static_assert(DeadlineQueue::families_for(10) == 3);
    for (size_t count = 1; count < 80; ++count) {
        Queue queue(count);
        std::vector<DeadlineNode> many(count);
        for (DeadlineNode& node : many) {
            queue.insert(node, Instant{1});
        }
        EXPECT_EQ(all_due(queue, 1).size(), count);
    }
}

// A last one that belongs above the place of the cancelled one, which only a
// hostile shape brings: cousins with different parents.
TEST(DeadlineQueue, CancelMayRaiseTheLast) {
    Queue queue(200);
    std::vector<DeadlineNode> many(1 + 8 + 16);
    queue.insert(many[0], Instant{0});
    for (size_t i = 1; i <= 8; ++i) { // the first child is late, the others early
        queue.insert(many[i], Instant{i == 1 ? 1000u : 10u});
    }
    for (size_t i = 9; i < many.size(); ++i) { // late ones below the first, early ones below the second
        queue.insert(many[i], Instant{i < 17 ? 2000 + i : 20 + i});
    }
    queue.cancel(many[9]);
    uint64_t last = 0;
    while (!queue.empty()) {
        ASSERT_GE(queue.next().nanoseconds(), last);
        last = queue.next().nanoseconds();
        queue.advance(Instant{last});
        ASSERT_NE(queue.pop_due(), nullptr);
    }
}

// Every interrupt serves one at least, and none so many that more than eight
// entries could have moved.
TEST(DeadlineQueue, OneInterruptMovesEightAtMost) {
    for (const size_t count : {1, 2, 9, 10, 73, 74, 585, 586, 4681, 4682, 40000}) {
        Queue queue(count);
        std::vector<DeadlineNode> many(count);
        for (DeadlineNode& node : many) {
            queue.insert(node, Instant{50});
        }
        for (size_t served = 0; served < count;) {
            queue.advance(Instant{50});
            uint32_t moves = 0;
            const size_t before = served;
            uint32_t depth = 0;
            for (size_t held = count - served, level = 8; held > 1; level *= 8, ++depth) {
                held -= std::min(held - 1, level);
            }
            while (DeadlineNode* const node = queue.pop_due()) {
                ASSERT_EQ(node, &many[served++]);
                moves += depth + (count - served > 0 ? 1 : 0);
            }
            ASSERT_GT(served, before);
            ASSERT_LE(moves, DeadlineQueue::moves_per_advance + 1) << count; // depth may have shrunk by one
        }
    }
}

TEST(DeadlineQueue, OneInterruptServesSeveralWhereFewArePending) {
    Queue queue;
    std::array<DeadlineNode, 3> few;
    for (DeadlineNode& node : few) {
        queue.insert(node, Instant{5});
    }
    queue.advance(Instant{5});
    for (DeadlineNode& node : few) {
        EXPECT_EQ(queue.pop_due(), &node);
    }
}

TEST(DeadlineQueue, WithoutAdvanceNothingMoreIsGiven) {
    Queue queue(1000);
    std::vector<DeadlineNode> many(1000);
    for (DeadlineNode& node : many) {
        queue.insert(node, Instant{1});
    }
    queue.advance(Instant{1});
    while (queue.pop_due() != nullptr) {
    }
    EXPECT_EQ(queue.pop_due(), nullptr);
    EXPECT_LE(queue.next(), Instant{1});
    EXPECT_FALSE(queue.empty());
}

class Comparison {
  public:
    Comparison(uint64_t seed, size_t count) : random_(seed), waiters_(count), keys_(count), queue_(count) {}

    void run(int steps) {
        for (int step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step) {
            if (random_.one_in(20'000)) { // how far away deadlines are, and how much they collide
                spread_ = static_cast<unsigned>(2 + random_.below(45));
                grain_ = static_cast<unsigned>(random_.below(spread_));
            }
            one_step();
            check(step);
        }
    }

  private:
    using Key = std::tuple<uint64_t, uint64_t, DeadlineNode*>; // time, insertions before, who

    void one_step() {
        const size_t who = random_.below(waiters_.size());
        const uint64_t what = random_.below(16);
        if (what < 12 && !waiters_[who].pending()) {
            insert(who);
        } else if (what < 12 && random_.one_in(2)) {
            queue_.cancel(waiters_[who]);
            model_.erase(keys_[who]);
        } else if (what < 14) {
            now_ += random_.of_any_length(spread_) >> random_.below(8);
            advance();
        } else if (!model_.empty()) {
            now_ =
                std::max(now_, queue_.next().nanoseconds() - std::min(queue_.next().nanoseconds(), what & 1));
            advance();
        }
    }

    void insert(size_t who) {
        uint64_t when = now_ + (random_.of_any_length(spread_) >> grain_ << grain_);
        if (random_.one_in(8)) {
            when = now_ - std::min(now_, random_.of_any_length(spread_));
        }
        queue_.insert(waiters_[who], Instant{std::min<uint64_t>(when, RUMPK_NEVER - 1)});
        keys_[who] = {when, inserted_++, &waiters_[who]};
        model_.insert(keys_[who]);
    }

    void advance() {
        const bool due = !model_.empty() && std::get<0>(*model_.begin()) <= now_;
        size_t served = 0;
        queue_.advance(Instant{now_});
        while (DeadlineNode* const node = queue_.pop_due()) {
            ASSERT_FALSE(model_.empty());
            ASSERT_LE(std::get<0>(*model_.begin()), now_) << "before its time";
            ASSERT_EQ(std::get<2>(*model_.begin()), node) << "out of order";
            model_.erase(model_.begin());
            ++served;
        }
        ASSERT_EQ(served != 0, due);
    }

    void check(int step) {
        const uint64_t next = model_.empty() ? RUMPK_NEVER : std::get<0>(*model_.begin());
        ASSERT_EQ(queue_.next().nanoseconds(), next) << step;
        ASSERT_EQ(queue_.empty(), model_.empty()) << step;
    }

    Random random_;
    std::vector<DeadlineNode> waiters_;
    std::vector<Key> keys_;
    Queue queue_;
    std::set<Key> model_;
    uint64_t now_ = 0;
    uint64_t inserted_ = 0;
    unsigned spread_ = 30;
    unsigned grain_ = 0;
};

TEST(DeadlineQueue, AgreesWithAModelOverMillionsOfOperations) {
    const uint64_t seed = core_test::fresh_seed();
    SCOPED_TRACE(testing::Message() << "RUMPK_SEED=" << seed);
    for (const size_t waiters : {3, 20, 300, 5000}) {
        Comparison(seed + waiters, waiters).run(1'000'000);
        ASSERT_FALSE(HasFatalFailure()) << waiters << " waiters";
    }
}

} // namespace
