// SPDX-License-Identifier: Apache-2.0
//
// The deadline queue: exact order, ties in order of insertion, what has passed is
// due at once, bounded work; alone and against std::multimap.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <vector>

#include "core/deadline_queue.h"
#include "tests/unit/core/random.h"

namespace {

using namespace rumpk;
using core_test::Random;

constexpr uint64_t second = 1'000'000'000;

// Calls advance() as a timer interrupt would, again and again while it asks for it.
std::vector<DeadlineNode*> all_due(DeadlineQueue& queue, uint64_t now) {
    std::vector<DeadlineNode*> found;
    do {
        queue.advance(Instant{now});
        while (DeadlineNode* const node = queue.pop_due()) {
            EXPECT_FALSE(node->pending());
            found.push_back(node);
        }
    } while (queue.next() <= Instant{now});
    return found;
}

std::vector<DeadlineNode*> nodes(std::initializer_list<DeadlineNode*> list) {
    return list;
}

TEST(DeadlineQueue, Empty) {
    const auto queue = std::make_unique<DeadlineQueue>();
    EXPECT_TRUE(queue->empty());
    EXPECT_EQ(queue->next(), Instant::never());
    EXPECT_TRUE(all_due(*queue, 5).empty());
    EXPECT_EQ(queue->next(), Instant::never());
}

TEST(DeadlineQueue, ExactToTheNanosecond) {
    const auto queue = std::make_unique<DeadlineQueue>();
    DeadlineNode node;
    for (const uint64_t when :
         std::vector<uint64_t>{1, 63, 64, 4095, 4096, 123456789, 3600 * second, 1ULL << 63}) {
        queue->insert(node, Instant{when});
        EXPECT_TRUE(node.pending());
        EXPECT_EQ(queue->next(), Instant{when});
        EXPECT_TRUE(all_due(*queue, when - 1).empty());
        EXPECT_EQ(all_due(*queue, when), nodes({&node})) << when;
    }
}

TEST(DeadlineQueue, TheLastInstantBeforeNever) {
    const auto queue = std::make_unique<DeadlineQueue>();
    DeadlineNode node;
    queue->insert(node, Instant{~0ULL - 1});
    EXPECT_EQ(queue->next(), Instant{~0ULL - 1});
    EXPECT_TRUE(all_due(*queue, ~0ULL - 2).empty());
    EXPECT_EQ(all_due(*queue, ~0ULL - 1), nodes({&node}));
}

TEST(DeadlineQueue, EarliestFirstTiesInOrderOfInsertion) {
    const auto queue = std::make_unique<DeadlineQueue>();
    DeadlineNode a;
    DeadlineNode b;
    DeadlineNode c;
    DeadlineNode d;
    queue->insert(a, Instant{5000});
    queue->insert(b, Instant{4999});
    queue->insert(c, Instant{5000});
    queue->insert(d, Instant{5000});
    EXPECT_EQ(all_due(*queue, 5000), nodes({&b, &a, &c, &d}));
}

// The second is inserted much closer to the moment: the first must still come first.
TEST(DeadlineQueue, TiesKeepTheirOrderAcrossTime) {
    const auto queue = std::make_unique<DeadlineQueue>();
    std::vector<DeadlineNode> node(40);
    constexpr uint64_t when = 10 * second + 17;
    size_t count = 0;
    queue->insert(node[count++], Instant{when});
    for (uint64_t left = 8 * second; left > 0; left /= 2) {
        EXPECT_TRUE(all_due(*queue, when - left).empty());
        queue->insert(node[count++], Instant{when});
    }
    const auto due = all_due(*queue, when);
    ASSERT_EQ(due.size(), count);
    for (size_t i = 0; i < count; ++i) {
        EXPECT_EQ(due[i], &node[i]) << i;
    }
}

TEST(DeadlineQueue, WhatHasPassedIsDueAtOnce) {
    const auto queue = std::make_unique<DeadlineQueue>();
    DeadlineNode late;
    DeadlineNode later;
    EXPECT_TRUE(all_due(*queue, second).empty());
    queue->insert(late, Instant{second});
    queue->insert(later, Instant{7});
    EXPECT_LE(queue->next(), Instant{second});
    EXPECT_EQ(all_due(*queue, second), nodes({&late, &later}));
}

TEST(DeadlineQueue, CancelledIsGone) {
    const auto queue = std::make_unique<DeadlineQueue>();
    DeadlineNode a;
    DeadlineNode b;
    DeadlineNode c;
    queue->insert(a, Instant{100});
    queue->insert(b, Instant{100});
    queue->insert(c, Instant{100});
    queue->cancel(b);
    EXPECT_FALSE(b.pending());
    EXPECT_EQ(all_due(*queue, 100), nodes({&a, &c}));
    queue->insert(a, Instant{200});
    queue->cancel(a);
    EXPECT_TRUE(queue->empty());
}

TEST(DeadlineQueue, CancelledAfterItWasFoundDue) {
    const auto queue = std::make_unique<DeadlineQueue>();
    DeadlineNode a;
    DeadlineNode b;
    queue->insert(a, Instant{100});
    queue->insert(b, Instant{101});
    queue->advance(Instant{200});
    EXPECT_LE(queue->next(), Instant{200});
    queue->cancel(a);
    EXPECT_EQ(queue->pop_due(), &b);
    EXPECT_EQ(queue->pop_due(), nullptr);
}

TEST(DeadlineQueue, TimeThatGoesBackIsNotBelieved) {
    const auto queue = std::make_unique<DeadlineQueue>();
    DeadlineNode node;
    EXPECT_TRUE(all_due(*queue, 1000).empty());
    queue->advance(Instant{500});
    queue->insert(node, Instant{1001});
    EXPECT_TRUE(all_due(*queue, 1000).empty());
    EXPECT_EQ(all_due(*queue, 1001), nodes({&node}));
    DeadlineNode later;
    queue->advance(Instant{500});
    queue->insert(node, Instant{1001});
    queue->insert(later, Instant{700});
    EXPECT_EQ(all_due(*queue, 1001), nodes({&node, &later}));
}

TEST(DeadlineQueue, MistakesFault) {
    const auto queue = std::make_unique<DeadlineQueue>();
    DeadlineNode node;
    EXPECT_DEATH(queue->cancel(node), "");
    EXPECT_DEATH(queue->insert(node, Instant::never()), "");
    queue->insert(node, Instant{1});
    EXPECT_DEATH(queue->insert(node, Instant{2}), "");
    queue->cancel(node);
}

TEST(DeadlineQueue, OneCallMovesEightAtMost) {
    const auto queue = std::make_unique<DeadlineQueue>();
    std::vector<DeadlineNode> many(1000);
    for (DeadlineNode& node : many) {
        queue->insert(node, Instant{50});
    }
    size_t found = 0;
    for (size_t calls = 1; found < many.size(); ++calls) {
        ASSERT_LE(queue->next(), Instant{50});
        queue->advance(Instant{50});
        size_t now_due = 0;
        while (DeadlineNode* const node = queue->pop_due()) {
            ASSERT_EQ(node, &many[found++]);
            ++now_due;
        }
        ASSERT_LE(now_due, DeadlineQueue::moves_per_advance);
        ASSERT_LE(calls, many.size());
    }
    EXPECT_TRUE(queue->empty());
}

// A lone deadline, however far, costs the one wake that serves it: next() names it
// exactly, and the wakes on the way to it are somebody else's.
TEST(DeadlineQueue, FewDeadlinesCostNoWakeThatServesNone) {
    const uint64_t seed = core_test::fresh_seed();
    SCOPED_TRACE(testing::Message() << "RUMPK_SEED=" << seed);
    Random random(seed);
    for (int run = 0; run < 2'000; ++run) {
        const auto queue = std::make_unique<DeadlineQueue>();
        std::vector<DeadlineNode> few(1 + random.below(4));
        const uint64_t start = random.of_any_length(50);
        queue->advance(Instant{start});
        for (DeadlineNode& node : few) {
            queue->insert(node, Instant{start + 1 + random.of_any_length(45)});
        }
        size_t served = 0;
        while (queue->next() != Instant::never()) {
            const Instant wake = queue->next();
            queue->advance(wake);
            const size_t before = served;
            while (DeadlineNode* const node = queue->pop_due()) {
                ASSERT_EQ(node->when, wake);
                ++served;
            }
            ASSERT_GT(served, before);
        }
        ASSERT_EQ(served, few.size());
    }
}

// A waiter and the model's entry for it.
struct Waiter {
    DeadlineNode node;
    std::multimap<uint64_t, Waiter*>::iterator entry{};
};

class Comparison {
  public:
    Comparison(uint64_t seed, size_t count) : random_(seed), waiters_(count) {}

    void run(int steps) {
        for (int step = 0; step < steps && !testing::Test::HasFatalFailure(); ++step) {
            if (random_.one_in(20'000)) { // how far away deadlines are, and how much they collide
                spread_ = static_cast<unsigned>(2 + random_.below(45));
                grain_ = static_cast<unsigned>(random_.below(spread_));
            }
            one_step(step);
        }
        finish();
    }

  private:
    void one_step(int step) {
        Waiter& waiter = waiters_[random_.below(waiters_.size())];
        const uint64_t what = random_.below(16);
        if (what < 12) {
            waiter.node.pending() && random_.one_in(2) ? cancel(waiter) : insert(waiter);
        } else if (what < 14) { // one call only: work may be left half done
            now_ += random_.of_any_length(spread_) >> random_.below(8);
            advance();
        } else if (what < 15) {
            const uint64_t next = queue_->next().nanoseconds();
            now_ = next == RUMPK_NEVER ? now_ : std::max(now_, next - std::min(next, random_.below(2)));
            advance();
        } else {
            while (queue_->next() <= Instant{now_} && !testing::Test::HasFatalFailure()) {
                advance();
            }
        }
        check(step);
    }

    void insert(Waiter& waiter) {
        if (waiter.node.pending()) {
            return;
        }
        uint64_t when = now_ + (random_.of_any_length(spread_) >> grain_ << grain_);
        if (random_.one_in(8)) {
            when = now_ - std::min(now_, random_.of_any_length(spread_));
        }
        when = std::min<uint64_t>(when, RUMPK_NEVER - 1);
        queue_->insert(waiter.node, Instant{when});
        waiter.entry = model_.emplace(std::max(when, now_), &waiter);
    }

    void cancel(Waiter& waiter) {
        queue_->cancel(waiter.node);
        model_.erase(waiter.entry);
    }

    void advance() {
        queue_->advance(Instant{now_});
        for (size_t found = 0; DeadlineNode* const node = queue_->pop_due(); ++found) {
            ASSERT_LT(found, DeadlineQueue::moves_per_advance);
            ASSERT_FALSE(model_.empty());
            ASSERT_LE(model_.begin()->first, now_) << "before its time";
            ASSERT_EQ(&model_.begin()->second->node, node) << "out of order";
            model_.erase(model_.begin());
        }
    }

    void check(int step) {
        const Instant next = queue_->next();
        ASSERT_EQ(next == Instant::never(), model_.empty()) << step;
        if (!model_.empty()) {
            ASSERT_LE(next.nanoseconds(), model_.begin()->first) << step << ": would be late";
        }
    }

    // Time runs on until nothing is left; every wake brings something nearer.
    void finish() {
        size_t wakes = 0;
        while (!model_.empty() && !testing::Test::HasFatalFailure()) {
            now_ = std::max(now_, queue_->next().nanoseconds());
            advance();
            ASSERT_LT(++wakes, 12 * waiters_.size());
        }
        EXPECT_TRUE(queue_->empty());
    }

    Random random_;
    std::vector<Waiter> waiters_;
    std::unique_ptr<DeadlineQueue> queue_ = std::make_unique<DeadlineQueue>();
    std::multimap<uint64_t, Waiter*> model_;
    uint64_t now_ = 0;
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
