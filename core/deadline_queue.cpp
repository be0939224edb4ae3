// SPDX-License-Identifier: Apache-2.0
#include "core/deadline_queue.h"

#include <algorithm>
#include <bit>

namespace rumpk {

// Level of the highest digit that differs. While a slot is being opened, what
// belongs in it goes to its end, behind those that came earlier.
uint32_t DeadlineQueue::slot_for(Instant when) const {
    const uint64_t key = when.nanoseconds();
    const uint64_t differs = (key ^ base_.nanoseconds()) | 1; // equal: level 0
    const uint32_t level = static_cast<uint32_t>(std::bit_width(differs) - 1) / bits_per_level;
    if (opening_ != no_slot && level < opening_ / slots_per_level) {
        return opening_;
    }
    return level * slots_per_level + (key >> (level * bits_per_level) & (slots_per_level - 1));
}

// Of those with a time; there is one.
uint32_t DeadlineQueue::first_slot() const {
    const auto level = static_cast<uint32_t>(std::countr_zero(levels_));
    return level * slots_per_level + static_cast<uint32_t>(std::countr_zero(used_[level]));
}

// The slot's first nanosecond: the base's digits above the level, then the slot's own.
Instant DeadlineQueue::start_of(uint32_t slot) const {
    const uint32_t low = slot / slots_per_level * bits_per_level;
    const uint64_t above = base_.nanoseconds() >> low >> bits_per_level << bits_per_level;
    return Instant{(above | slot % slots_per_level) << low};
}

// Exact where it costs little, else the moment from which on it could be.
Instant DeadlineQueue::earliest_in(uint32_t slot) const {
    if (slot < slots_per_level) {
        return start_of(slot);
    }
    Instant earliest = Instant::never();
    uint32_t seen = 0;
    for (const DeadlineNode* node = slots_[slot]; node != nullptr; node = node->next) {
        if (++seen > few) {
            return start_of(slot);
        }
        earliest = std::min(earliest, node->when);
    }
    return earliest;
}

bool DeadlineQueue::nothing_timed() const {
    return (levels_ & ((1U << level_count) - 1)) == 0;
}

void DeadlineQueue::append(DeadlineNode& node, uint32_t slot) {
    node.slot = slot;
    node.next = nullptr;
    DeadlineNode* const first = slots_[slot];
    if (first != nullptr) {
        node.previous = first->previous;
        first->previous->next = &node;
        first->previous = &node;
        return;
    }
    node.previous = &node;
    slots_[slot] = &node;
    const uint32_t level = slot / slots_per_level;
    used_[level] |= uint64_t{1} << slot % slots_per_level;
    levels_ |= 1U << level;
}

// node.slot stays as it was.
void DeadlineQueue::unlink(DeadlineNode& node) {
    const uint32_t slot = node.slot;
    DeadlineNode* const first = slots_[slot];
    if (&node != first) {
        node.previous->next = node.next;
        (node.next != nullptr ? node.next : first)->previous = node.previous;
        return;
    }
    slots_[slot] = node.next;
    if (node.next != nullptr) {
        node.next->previous = node.previous;
        return;
    }
    const uint32_t level = slot / slots_per_level;
    used_[level] &= ~(uint64_t{1} << slot % slots_per_level);
    if (used_[level] == 0) {
        levels_ &= ~(1U << level);
    }
    if (slot == opening_) {
        opening_ = no_slot;
    }
}

void DeadlineQueue::insert(DeadlineNode& node, Instant when) {
    ensure(!node.pending() && when != Instant::never());
    node.when = std::max(when, now_);
    append(node, slot_for(node.when));
}

void DeadlineQueue::cancel(DeadlineNode& node) {
    ensure(node.pending());
    unlink(node);
    node.slot = DeadlineNode::not_pending;
}

// The first entry of the slot that is being opened goes where it belongs now.
void DeadlineQueue::lower_one() {
    const uint32_t from = opening_;
    DeadlineNode& node = *slots_[from];
    unlink(node);
    opening_ = no_slot;
    append(node, slot_for(node.when));
    opening_ = slots_[from] != nullptr ? from : no_slot;
}

void DeadlineQueue::advance(Instant now) {
    now_ = std::max(now_, now);
    for (uint32_t moves = 0; moves < moves_per_advance;) {
        if (opening_ != no_slot) {
            lower_one();
            ++moves;
            continue;
        }
        if (nothing_timed() || start_of(first_slot()) > now_) {
            base_ = now_;
            return;
        }
        const uint32_t slot = first_slot();
        if (slot < slots_per_level) {
            base_ = start_of(slot);
            DeadlineNode& node = *slots_[slot];
            unlink(node);
            append(node, due_slot);
            ++moves;
        } else {
            base_ = std::min(earliest_in(slot), now_);
            opening_ = slot;
        }
    }
}

DeadlineNode* DeadlineQueue::pop_due() {
    DeadlineNode* const node = slots_[due_slot];
    if (node != nullptr) {
        cancel(*node);
    }
    return node;
}

Instant DeadlineQueue::next() const {
    if (opening_ != no_slot || slots_[due_slot] != nullptr) {
        return base_;
    }
    return nothing_timed() ? Instant::never() : earliest_in(first_slot());
}

} // namespace rumpk
