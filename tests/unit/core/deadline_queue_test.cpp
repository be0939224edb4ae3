// SPDX-License-Identifier: Apache-2.0
//
// The deadline queue: exact order, ties in order of insertion, what has passed is
// due at once, shared storage; alone and against std::set.
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

// Storage for exactly so many deadlines in so many queues.
struct Storage : DeadlineStorage {
    Storage(size_t deadlines, size_t queues)
        : blocks(blocks_for(deadlines, queues)), pointers(pointers_for(blocks.size(), queues)) {
        prepare(blocks, pointers);
    }
    std::vector<Block> blocks;
    std::vector<Block*> pointers;
};

// A queue with its storage.
struct Queue : DeadlineQueue {
    explicit Queue(size_t deadlines = 64) : storage(deadlines, 1) { prepare(storage); }
    Storage storage;
};

// Takes out all that is due.
std::vector<DeadlineNode*> all_due(DeadlineQueue& queue, uint64_t now) {
    std::vector<DeadlineNode*> found;
    while (queue.next() <= Instant{now} && !queue.empty()) {
        DeadlineNode* const node = queue.pop_due(Instant{now});
        EXPECT_NE(node, nullptr) << "an interrupt that serves nobody";
        if (node == nullptr) {
            break;
        }
        EXPECT_FALSE(node->pending());
        found.push_back(node);
    }
    EXPECT_EQ(queue.pop_due(Instant{now}), nullptr);
    return found;
}

std::vector<DeadlineNode*> nodes(std::initializer_list<DeadlineNode*> list) {
    return list;
}

TEST(DeadlineQueue, Empty) {
    Queue queue;
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.next(), Instant::never());
    EXPECT_EQ(queue.pop_due(Instant{5}), nullptr);
    EXPECT_EQ(queue.pop_due(Instant::never()), nullptr);
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
            EXPECT_EQ(queue.pop_due(Instant{when - 1}), nullptr);
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
    constexpr size_t room = DeadlineStorage::block_size - (DeadlineQueue::arity - 1);
    Queue queue(room - 1); // and a gap
    std::array<DeadlineNode, room + 1> node;
    EXPECT_DEATH(queue.cancel(node[0]), "");
    EXPECT_DEATH(queue.insert(node[0], Instant::never()), "");
    queue.insert(node[room], Instant{1});
    EXPECT_DEATH(queue.insert(node[room], Instant{1}), "");
    queue.cancel(node[room]);
    for (size_t i = 0; i < room; ++i) {
        queue.insert(node[i], Instant{1});
    }
    EXPECT_DEATH(queue.insert(node[room], Instant{2}), "") << "no storage";
    Queue other;
    std::array<DeadlineNode, 9> others;
    for (DeadlineNode& one : others) {
        other.insert(one, Instant{1});
    }
    EXPECT_DEATH(other.cancel(node[0]), "") << "pending elsewhere";
}

TEST(DeadlineQueue, StorageHoldsWhatItWasAskedFor) {
    static_assert(DeadlineStorage::blocks_for(0, 1) == 1 && DeadlineStorage::blocks_for(56, 1) == 1);
    static_assert(DeadlineStorage::blocks_for(57, 1) == 2 && DeadlineStorage::blocks_for(120, 1) == 2);
    static_assert(DeadlineStorage::blocks_for(121, 1) == 3);
    for (size_t count = 1; count < 300; ++count) {
        Queue queue(count);
        std::vector<DeadlineNode> many(count);
        for (DeadlineNode& node : many) {
            queue.insert(node, Instant{1});
        }
        EXPECT_EQ(all_due(queue, 1).size(), count);
    }
}

// However the deadlines are spread over the queues, and although they change sides.
TEST(DeadlineQueue, QueuesShareTheirStorage) {
    Random random(core_test::fresh_seed());
    for (int round = 0; round < 300; ++round) {
        const size_t count = 1 + random.below(1000);
        Storage storage(count, 4);
        std::array<DeadlineQueue, 4> queues;
        for (DeadlineQueue& queue : queues) {
            queue.prepare(storage);
        }
        std::vector<DeadlineNode> many(count);
        for (int turn = 0; turn < 3; ++turn) {
            std::array<size_t, 4> sizes{};
            for (DeadlineNode& node : many) {
                const size_t to = random.one_in(3) ? random.below(4) : static_cast<size_t>(turn);
                queues[to].insert(node, Instant{1});
                ++sizes[to];
            }
            for (size_t i = 0; i < 4; ++i) {
                ASSERT_EQ(all_due(queues[i], 1).size(), sizes[i]);
            }
        }
    }
}

// Each with a gap on top and one with a hole, which the last deadline does not come into.
TEST(DeadlineQueue, StorageHoldsGapsAndAHole) {
    for (size_t in_first = 50; in_first < 70; ++in_first) {
        for (size_t in_second = 50; in_second < 70; ++in_second) {
            Storage storage(in_first + in_second, 2);
            std::array<DeadlineQueue, 2> queues;
            queues[0].prepare(storage);
            queues[1].prepare(storage);
            std::vector<DeadlineNode> some(in_first + 2); // the one to become the gap, and one the hole
            std::vector<DeadlineNode> others(in_second + 1);
            for (size_t i = 0; i < some.size(); ++i) {
                queues[0].insert(some[i], Instant{i});
            }
            EXPECT_EQ(queues[0].pop_due(Instant{0}), &some[0]);
            queues[0].cancel(some[in_first]);
            for (size_t i = 0; i < others.size(); ++i) {
                queues[1].insert(others[i], Instant{i});
                if (i == 1) {
                    EXPECT_EQ(queues[1].pop_due(Instant{0}), others.data());
                }
            }
            EXPECT_EQ(all_due(queues[0], 1000).size(), in_first);
            EXPECT_EQ(all_due(queues[1], 1000).size(), in_second);
        }
    }
}

// A cancelled one leaves a hole; whoever comes next takes it, above its place if it is earlier. A second one
// leaves none, and holes at the end are given up with what was behind them.
TEST(DeadlineQueue, HolesAreFilledAndGivenUp) {
    Queue queue(200);
    std::vector<DeadlineNode> many(60);
    DeadlineNode first;
    queue.insert(first, Instant{1});
    for (size_t i = 0; i < many.size(); ++i) {
        queue.insert(many[i], Instant{100 + i});
    }
    queue.cancel(many[40]);
    queue.cancel(many[50]);
    queue.insert(many[40], Instant{2});
    queue.cancel(many[57]);
    queue.cancel(many[59]);
    queue.cancel(many[58]);
    queue.insert(many[50], Instant{3});
    std::vector<DeadlineNode*> expected{&first, &many[40], &many[50]};
    for (size_t i = 0; i < 57; ++i) {
        if (i != 40 && i != 50) {
            expected.push_back(&many[i]);
        }
    }
    EXPECT_EQ(all_due(queue, 1000), expected);
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.next(), Instant::never());
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
        ASSERT_NE(queue.pop_due(Instant{last}), nullptr);
    }
}

// To find who is next is a step of its own, and is asked for once; where nobody is next it is not.
TEST(DeadlineQueue, ClosingIsWantedWhereAGapHasSomebodyBelow) {
    Queue queue;
    std::array<DeadlineNode, 11> few;
    for (size_t i = 0; i < few.size(); ++i) {
        queue.insert(few[i], Instant{5});
        EXPECT_FALSE(queue.wants_closing()) << i;
    }
    EXPECT_EQ(queue.pop_due(Instant{5}), &few[0]);
    EXPECT_TRUE(queue.wants_closing());
    EXPECT_EQ(queue.next(), Instant{5});
    queue.close_gap();
    EXPECT_FALSE(queue.wants_closing());
    for (size_t i = 1; i < few.size(); ++i) {
        EXPECT_EQ(queue.pop_due(Instant{5}), &few[i]);
        EXPECT_EQ(queue.wants_closing(), i + 1 < few.size()) << i;
    }
    EXPECT_TRUE(queue.empty());
}

// A gap that is closed leaves a hole. Nobody has filled it when the next is closed: in a deep heap that is
// done in a step before, for each is to be short.
TEST(DeadlineQueue, ADeepGapIsClosedInTwoStepsWhereAHoleIsLeft) {
    constexpr size_t shallow = 1 + 8 + 64 + 512;
    for (const size_t count : {shallow, shallow + 3}) {
        Queue queue(count + 1);
        std::vector<DeadlineNode> many(count);
        for (size_t i = 0; i < count; ++i) {
            queue.insert(many[i], Instant{i});
        }
        const auto steps = [&](size_t next) {
            EXPECT_EQ(queue.pop_due(Instant{next}), &many[next]);
            unsigned taken = 0;
            for (; queue.wants_closing(); ++taken) {
                queue.close_gap();
                EXPECT_EQ(queue.next(), Instant{next + 1});
            }
            return taken;
        };
        EXPECT_EQ(steps(0), 1U);
        EXPECT_EQ(steps(1), count > shallow ? 2U : 1U);
        DeadlineNode fills;
        queue.insert(fills, Instant{count});
        EXPECT_EQ(steps(2), 1U);
        for (size_t i = 3; i < count; ++i) {
            ASSERT_EQ(queue.pop_due(Instant{i}), &many[i]);
        }
        EXPECT_EQ(queue.pop_due(Instant{count}), &fills);
        EXPECT_TRUE(queue.empty());
    }
}

// What comes between who was taken out and who is next: earlier, as early, later; and one of these goes.
TEST(DeadlineQueue, AGapKnowsTheEarliestBelow) {
    Queue queue;
    std::array<DeadlineNode, 30> many;
    for (size_t i = 0; i < many.size(); ++i) {
        queue.insert(many[i], Instant{100 + i});
    }
    DeadlineNode later;
    DeadlineNode same;
    DeadlineNode earlier;
    EXPECT_EQ(queue.pop_due(Instant{100}), &many[0]);
    queue.insert(later, Instant{102});
    queue.insert(same, Instant{101});
    EXPECT_EQ(queue.next(), Instant{101});
    queue.cancel(many[1]);
    EXPECT_EQ(queue.next(), Instant{101});
    queue.cancel(same);
    EXPECT_EQ(queue.next(), Instant{102});
    queue.insert(earlier, Instant{99});
    EXPECT_EQ(queue.next(), Instant{99});
    EXPECT_FALSE(queue.wants_closing()) << "it fills the gap";
    queue.cancel(earlier);
    EXPECT_EQ(all_due(queue, 103), nodes({&many[2], &later, &many[3]}));
    for (size_t i = 4; i < many.size(); ++i) {
        queue.cancel(many[i]);
    }
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.next(), Instant::never());
}

// Four queues of one storage; whoever is not pending may change its queue.
class Comparison {
  public:
    Comparison(uint64_t seed, size_t count)
        : random_(seed), waiters_(count), keys_(count), tiers_(count), storage_(count, tiers) {
        for (DeadlineQueue& queue : queues_) {
            queue.prepare(storage_);
        }
    }

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
    static constexpr size_t tiers = 4;

    void one_step() {
        if (random_.one_in(20'000)) {
            favourite_ = random_.below(tiers);
        }
        const size_t who = random_.below(waiters_.size());
        const uint64_t what = random_.below(16);
        if (what < 12 && !waiters_[who].pending()) {
            insert(who);
        } else if (what < 12 && random_.one_in(2)) {
            queues_[tiers_[who]].cancel(waiters_[who]);
            models_[tiers_[who]].erase(keys_[who]);
        } else if (what < 14) {
            now_ += random_.of_any_length(spread_) >> random_.below(8);
            advance();
        } else if (const uint64_t next = queues_[favourite_].next().nanoseconds(); next != RUMPK_NEVER) {
            now_ = std::max(now_, next - std::min(next, what & 1));
            advance();
        }
    }

    void insert(size_t who) {
        uint64_t when = now_ + (random_.of_any_length(spread_) >> grain_ << grain_);
        if (random_.one_in(8)) {
            when = now_ - std::min(now_, random_.of_any_length(spread_));
        }
        const size_t tier = random_.one_in(4) ? random_.below(tiers) : favourite_;
        queues_[tier].insert(waiters_[who], Instant{std::min<uint64_t>(when, RUMPK_NEVER - 1)});
        keys_[who] = {when, inserted_++, &waiters_[who]};
        tiers_[who] = tier;
        models_[tier].insert(keys_[who]);
    }

    void advance() {
        for (size_t tier = 0; tier < tiers && !testing::Test::HasFatalFailure(); ++tier) {
            take_due(queues_[tier], models_[tier]);
        }
    }

    void take_due(DeadlineQueue& queue, std::set<Key>& model) {
        while (DeadlineNode* const node = queue.pop_due(Instant{now_})) {
            ASSERT_FALSE(model.empty());
            ASSERT_LE(std::get<0>(*model.begin()), now_) << "before its time";
            ASSERT_EQ(std::get<2>(*model.begin()), node) << "out of order";
            model.erase(model.begin());
        }
        ASSERT_TRUE(model.empty() || std::get<0>(*model.begin()) > now_) << "served nobody";
    }

    void check(int step) {
        for (size_t tier = 0; tier < tiers; ++tier) {
            const std::set<Key>& model = models_[tier];
            const uint64_t next = model.empty() ? RUMPK_NEVER : std::get<0>(*model.begin());
            ASSERT_EQ(queues_[tier].next().nanoseconds(), next) << step;
            ASSERT_EQ(queues_[tier].empty(), model.empty()) << step;
        }
    }

    Random random_;
    std::vector<DeadlineNode> waiters_;
    std::vector<Key> keys_;
    std::vector<size_t> tiers_; // where each is, or was last
    Storage storage_;
    std::array<DeadlineQueue, tiers> queues_;
    std::array<std::set<Key>, tiers> models_;
    size_t favourite_ = 0; // most are inserted there
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
