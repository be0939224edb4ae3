// SPDX-License-Identifier: Apache-2.0
//
// The run queue, alone and against four std::deques.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <vector>

#include "core/run_queue.h"
#include "tests/unit/core/random.h"

namespace {

using namespace rumpk;
using core_test::Random;

TEST(RunQueue, HighestTierFirstThenFirstInFirstOut) {
    std::array<RunNode, 5> node;
    RunQueue queue;
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.pop(), nullptr);
    queue.push_back(node[0], Tier::void_);
    queue.push_back(node[1], Tier::gravity);
    queue.push_back(node[2], Tier::gravity);
    queue.push_back(node[3], Tier::photon);
    queue.push_front(node[4], Tier::gravity);
    EXPECT_EQ(queue.highest(), Tier::photon);
    for (const size_t expected : {3, 4, 1, 2, 0}) {
        EXPECT_TRUE(node[expected].queued());
        EXPECT_EQ(queue.pop(), &node[expected]);
        EXPECT_FALSE(node[expected].queued());
    }
    EXPECT_TRUE(queue.empty());
}

TEST(RunQueue, ReadyAboveLooksAtHigherTiersOnly) {
    RunNode node;
    RunQueue queue;
    queue.push_back(node, Tier::matter);
    EXPECT_FALSE(queue.ready_above(Tier::photon));
    EXPECT_FALSE(queue.ready_above(Tier::matter));
    EXPECT_TRUE(queue.ready_above(Tier::gravity));
    EXPECT_TRUE(queue.ready_above(Tier::void_));
}

TEST(RunQueue, MistakesFault) {
    RunNode node;
    RunQueue queue;
    EXPECT_DEATH((void)queue.highest(), "");
    EXPECT_DEATH(queue.remove(node), "");
    queue.push_back(node, Tier::matter);
    EXPECT_DEATH(queue.push_back(node, Tier::matter), "");
    EXPECT_DEATH(queue.push_front(node, Tier::void_), "");
    queue.remove(node);
}

class Model {
  public:
    void push(RunNode* node, Tier tier, bool front) {
        std::deque<RunNode*>& list = tiers_[static_cast<size_t>(tier)];
        front ? list.push_front(node) : list.push_back(node);
    }
    RunNode* pop() {
        for (auto& list : tiers_) {
            if (!list.empty()) {
                RunNode* const first = list.front();
                list.pop_front();
                return first;
            }
        }
        return nullptr;
    }
    void remove(RunNode* node) {
        for (auto& list : tiers_) {
            std::erase(list, node);
        }
    }
    // tier_count: empty.
    size_t highest() const {
        return static_cast<size_t>(std::ranges::find_if(tiers_, [](auto& list) { return !list.empty(); }) -
                                   tiers_.begin());
    }

  private:
    std::array<std::deque<RunNode*>, tier_count> tiers_;
};

TEST(RunQueue, AgreesWithAModelOverMillionsOfOperations) {
    const uint64_t seed = core_test::fresh_seed();
    SCOPED_TRACE(testing::Message() << "RUMPK_SEED=" << seed);
    Random random(seed);
    std::vector<RunNode> nodes(40);
    RunQueue queue;
    Model model;
    for (int step = 0; step < 2'000'000; ++step) {
        RunNode& node = nodes[random.below(nodes.size())];
        if (random.one_in(3)) {
            ASSERT_EQ(queue.pop(), model.pop()) << step;
        } else if (node.queued()) {
            queue.remove(node);
            model.remove(&node);
        } else {
            const Tier tier = static_cast<Tier>(random.below(tier_count));
            const bool front = random.one_in(3);
            front ? queue.push_front(node, tier) : queue.push_back(node, tier);
            model.push(&node, tier, front);
        }
        const size_t highest = model.highest();
        ASSERT_EQ(queue.empty(), highest == tier_count) << step;
        for (size_t tier = 0; tier < tier_count; ++tier) {
            ASSERT_EQ(queue.ready_above(static_cast<Tier>(tier)), highest < tier) << step;
        }
        if (highest < tier_count) {
            ASSERT_EQ(static_cast<size_t>(queue.highest()), highest) << step;
        }
    }
}

} // namespace
