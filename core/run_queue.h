// SPDX-License-Identifier: Apache-2.0
// What is ready on one core: four tiers, first in first out inside a tier, the
// highest tier first. Every operation is O(1).
//
// Belongs to one core and is touched with interrupts masked, so it needs no
// lock. It knows places (RunNode), not fibers.
#pragma once

#include <array>
#include <bit>

#include "core/list.h"
#include "core/types.h"

namespace rumpk {

// A place in the queue, part of whatever is queued.
struct RunNode {
    Link link{};
    Tier tier = Tier::void_; // valid while queued

    [[nodiscard]] constexpr bool queued() const { return link.linked(); }
};

class RunQueue {
  public:
    [[nodiscard]] constexpr bool empty() const { return ready_ == 0; }

    // The highest tier in which something is ready. Not when empty.
    [[nodiscard]] constexpr Tier highest() const {
        ensure(ready_ != 0);
        return static_cast<Tier>(std::countr_zero(ready_));
    }
    // Is anything ready in a tier above this one?
    [[nodiscard]] constexpr bool ready_above(Tier tier) const { return (ready_ & (bit(tier) - 1)) != 0; }
    // Or in this one?
    [[nodiscard]] constexpr bool ready_from(Tier tier) const { return (ready_ & (2 * bit(tier) - 1)) != 0; }

    // To the end of its tier: it became ready, or had its turn. Not queued yet.
    void push_back(RunNode& node, Tier tier) {
        node.tier = tier;
        list(tier).push_back(node);
        ready_ |= bit(tier);
    }
    // To the head of its tier: it lost the core before its turn was over. Not queued yet.
    void push_front(RunNode& node, Tier tier) {
        node.tier = tier;
        list(tier).push_front(node);
        ready_ |= bit(tier);
    }

    // Takes out the first of the highest tier. nullptr: empty.
    RunNode* pop() {
        if (ready_ == 0) {
            return nullptr;
        }
        RunNode* const node = list(highest()).front();
        remove(*node);
        return node;
    }

    // Takes out a queued node, wherever it is.
    void remove(RunNode& node);

  private:
    static constexpr uint32_t bit(Tier tier) { return 1U << static_cast<unsigned>(tier); }
    List<RunNode>& list(Tier tier) { return tiers_[static_cast<size_t>(tier)]; }

    // Bit t is set exactly while tiers_[t] is not empty.
    uint32_t ready_ = 0;
    std::array<List<RunNode>, tier_count> tiers_{};
};

} // namespace rumpk
