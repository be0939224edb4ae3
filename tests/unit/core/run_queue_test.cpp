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

// What the scheduler does with who runs and has waited or ended.
RunNode* take(RunQueue& queue) {
    queue.select();
    RunNode* const node = queue.first();
    if (node != nullptr) {
        queue.remove(*node, queue.current());
    }
    return node;
}

TEST(RunQueue, HighestTierFirstThenFirstInFirstOut) {
    std::array<RunNode, 5> node;
    RunQueue queue;
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(take(queue), nullptr);
    EXPECT_EQ(queue.current(), no_tier);
    queue.push_back(node[0], Tier::void_);
    queue.push_back(node[1], Tier::gravity);
    queue.push_back(node[2], Tier::gravity);
    queue.push_back(node[3], Tier::photon);
    queue.push_back(node[4], Tier::gravity);
    for (const size_t expected : {3, 1, 2, 4, 0}) {
        EXPECT_TRUE(node[expected].queued());
        EXPECT_EQ(take(queue), &node[expected]);
        EXPECT_FALSE(node[expected].queued());
    }
    EXPECT_TRUE(queue.empty());
}

TEST(RunQueue, OvertakenKeepsItsTurn) {
    std::array<RunNode, 3> node;
    RunQueue queue;
    queue.push_back(node[0], Tier::gravity);
    queue.select();
    queue.push_back(node[1], Tier::gravity);
    EXPECT_FALSE(queue.ready_above());
    queue.push_back(node[2], Tier::photon);
    EXPECT_TRUE(queue.ready_above());
    EXPECT_EQ(queue.first(), &node[0]); // until select
    EXPECT_EQ(take(queue), &node[2]);
    EXPECT_EQ(queue.first(), nullptr);
    EXPECT_EQ(take(queue), &node[0]);
    EXPECT_EQ(take(queue), &node[1]);
}

TEST(RunQueue, ReadyAboveLooksAtHigherTiersOnly) {
    for (const Tier current : {Tier::photon, Tier::matter, Tier::gravity, Tier::void_}) {
        RunNode runs;
        RunNode node;
        RunQueue queue;
        queue.push_back(runs, current);
        queue.select();
        queue.push_back(node, Tier::matter);
        EXPECT_EQ(queue.ready_above(), runs_before(Tier::matter, current));
    }
    RunNode node;
    RunQueue idle;
    idle.push_back(node, Tier::void_);
    EXPECT_TRUE(idle.ready_above());
}

TEST(RunQueue, TheOnlyOneOfATierMakesRoom) {
    std::array<RunNode, 3> node;
    RunQueue queue;
    queue.push_back(node[0], Tier::gravity);
    queue.select();
    queue.push_back(node[1], Tier::void_);
    queue.replace(node[0], node[2]);
    EXPECT_FALSE(node[0].queued());
    EXPECT_EQ(queue.first(), &node[2]);
    queue.push_back(node[0], Tier::gravity);
    for (const size_t expected : {2, 0, 1}) {
        EXPECT_EQ(take(queue), &node[expected]);
    }
}

TEST(RunQueue, MistakesFault) {
    RunNode node;
    RunQueue queue;
    EXPECT_DEATH(queue.remove(node, Tier::matter), "");
    EXPECT_DEATH(queue.select(node, Tier::matter), "");
    queue.push_back(node, Tier::matter);
    EXPECT_DEATH(queue.push_back(node, Tier::matter), "");
    EXPECT_DEATH(queue.push_back(node, Tier::void_), "");
    queue.remove(node, Tier::matter);
}

// Four lists, and which of them is the current one.
class Model {
  public:
    std::array<std::deque<RunNode*>, tier_count> tiers;
    size_t current = tier_count;

    // tier_count: empty.
    size_t highest() const {
        return static_cast<size_t>(std::ranges::find_if(tiers, [](auto& list) { return !list.empty(); }) -
                                   tiers.begin());
    }
    RunNode* first() const {
        return current == tier_count || tiers[current].empty() ? nullptr : tiers[current].front();
    }
    size_t tier_of(const RunNode* node) const {
        return static_cast<size_t>(
            std::ranges::find_if(tiers, [&](auto& list) { return std::ranges::count(list, node) != 0; }) -
            tiers.begin());
    }
};

std::vector<RunNode*> nodes_in_order(const Model& model) {
    std::vector<RunNode*> all;
    for (const auto& list : model.tiers) {
        all.insert(all.end(), list.begin(), list.end());
    }
    return all;
}

void random_step(Random& random, RunQueue& queue, Model& model, RunNode& node) {
    const size_t tier = random.below(tier_count);
    switch (random.below(7)) {
    case 3:
        if (model.first() != nullptr && model.tiers[model.current].size() > 1) {
            std::deque<RunNode*>& list = model.tiers[model.current];
            RunNode& first = *list.front();
            list.pop_front();
            ASSERT_EQ(&queue.leave(first), list.front());
            ASSERT_FALSE(first.queued());
        }
        break;
    case 0:
        queue.select();
        model.current = model.highest();
        break;
    case 1:
        if (model.first() != nullptr) {
            std::deque<RunNode*>& list = model.tiers[model.current];
            list.push_back(list.front());
            list.pop_front();
            ASSERT_EQ(&queue.rotate(*queue.first()), list.front());
        }
        break;
    case 2:
        if (node.queued() && random.one_in(8)) { // the scheduler's run_only
            const size_t its = model.tier_of(&node);
            queue.select(node, static_cast<Tier>(its));
            std::deque<RunNode*>& list = model.tiers[its];
            std::ranges::rotate(list, std::ranges::find(list, &node));
            model.current = its;
        } else if (random.one_in(8)) {
            queue.deselect();
            model.current = tier_count;
        }
        break;
    default:
        if (node.queued()) {
            const size_t its = model.tier_of(&node);
            queue.remove(node, static_cast<Tier>(its));
            std::erase(model.tiers[its], &node);
        } else {
            queue.push_back(node, static_cast<Tier>(tier));
            model.tiers[tier].push_back(&node);
        }
    }
}

TEST(RunQueue, AgreesWithAModelOverMillionsOfOperations) {
    const uint64_t seed = core_test::fresh_seed();
    SCOPED_TRACE(testing::Message() << "RUMPK_SEED=" << seed);
    Random random(seed);
    std::vector<RunNode> nodes(40);
    RunQueue queue;
    Model model;
    for (int step = 0; step < 2'000'000; ++step) {
        random_step(random, queue, model, nodes[random.below(nodes.size())]);
        ASSERT_EQ(queue.first(), model.first()) << step;
        ASSERT_EQ(static_cast<size_t>(queue.current()), model.current) << step;
        ASSERT_EQ(queue.empty(), model.highest() == tier_count) << step;
        ASSERT_EQ(queue.ready_above(), model.highest() < model.current) << step;
    }
    for (RunNode* const node : nodes_in_order(model)) {
        ASSERT_EQ(take(queue), node);
    }
    EXPECT_TRUE(queue.empty());
}

} // namespace
