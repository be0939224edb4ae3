// SPDX-License-Identifier: Apache-2.0
// What is ready on one core: four tiers, first in first out inside a tier, the
// highest tier first. Every operation is O(1).
//
// Each tier is a circle. Who runs stays in it, as its first: ending a turn moves
// the circle on by one, and who is overtaken by a higher tier keeps its turn by
// staying where it is.
//
// Belongs to one core and is touched with interrupts masked, so it needs no
// lock. It knows places (RunNode), not fibers.
#pragma once

#include <array>

#include "core/shared.h"
#include "core/types.h"

namespace rumpk {

// A place in the queue, part of whatever is queued. Both pointers are null
// exactly while it is in no circle; one that is must not move.
struct RunNode {
    RunNode* next = nullptr;
    RunNode* previous = nullptr;

    [[nodiscard]] constexpr bool queued() const { return next != nullptr; }
};

class RunQueue {
  public:
    // The first of the current tier: who runs, once it has been given the core.
    // nullptr: the current tier is empty, or none is current. Any core may look.
    [[nodiscard]] RunNode* first() const { return first_; }
    [[nodiscard]] constexpr bool empty() const { return ready_ == 0; }
    // The current tier; no_tier: none.
    [[nodiscard]] Tier current() const { return current_; }

    // How many tiers are above the highest in which something is ready. Not empty. Looked up in a word, two
    // bits for each set of tiers: not every processor has an instruction that counts zeros.
    [[nodiscard]] constexpr uint32_t highest() const {
        constexpr uint32_t zeros_below = 0b00'01'00'10'00'01'00'11'00'01'00'10'00'01'00'00;
        return zeros_below >> 2 * ready_ & 3;
    }
    // Is anything ready in a tier above the current one?
    [[nodiscard]] constexpr bool ready_above() const {
        return (ready_ & ((1U << static_cast<unsigned>(current_)) - 1)) != 0;
    }
    // Makes the highest tier in which something is ready the current one.
    void select();
    // Makes this queued node the first of its tier, and the tier the current one.
    void select(RunNode& node, Tier tier);
    // No tier is the current one any more.
    void deselect();

    // The current tier's first has had its turn: it goes to the end. Returns the new
    // first.
    RunNode& rotate(RunNode& first) {
        RunNode& next = *first.next;
        first_ = &next;
        return next;
    }
    // The current tier's first leaves, and there is another: the new first, which is returned.
    RunNode& leave(RunNode& first) {
        RunNode& next = *first.next;
        RunNode& last = *first.previous;
        next.previous = &last;
        last.next = &next;
        first = RunNode{};
        first_ = &next;
        return next;
    }
    // The current tier's only one makes room for another, which is not queued yet.
    void replace(RunNode& only, RunNode& other) {
        only = RunNode{};
        other = {&other, &other};
        first_ = &other;
    }
    // To the end of the current tier, whose first is this one. Not queued yet.
    static void append(RunNode& node, RunNode& first) {
        RunNode& last = *first.previous;
        node = {&first, &last};
        last.next = &node;
        first.previous = &node;
    }
    // To the end of its tier. Not queued yet.
    void push_back(RunNode& node, Tier tier);
    // Takes out a queued node, wherever it is.
    void remove(RunNode& node, Tier tier);

  private:
    static constexpr uint32_t bit(Tier tier) { return 1U << static_cast<unsigned>(tier); }
    // Of a tier that there is.
    [[nodiscard]] RunNode* const& other(Tier tier) const { return others_.data()[static_cast<size_t>(tier)]; }
    [[nodiscard]] RunNode*& other(Tier tier) { return others_.data()[static_cast<size_t>(tier)]; }
    [[nodiscard]] RunNode* first_of(Tier tier) const {
        return tier == current_ ? static_cast<RunNode*>(first_) : other(tier);
    }
    void set_first_of(Tier tier, RunNode* node) {
        other(tier) = node;
        if (tier == current_) {
            first_ = node;
        }
    }

    // The current tier's first; what others_ says of that tier is not looked at.
    Shared<RunNode*> first_{nullptr};
    Tier current_ = no_tier;
    // Bit t is set exactly while tier t is not empty.
    uint32_t ready_ = 0;
    std::array<RunNode*, tier_count> others_{};
};

} // namespace rumpk
