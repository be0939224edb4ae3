// SPDX-License-Identifier: Apache-2.0
#include "core/deadline_queue.h"

#include <algorithm>
#include <bit>

namespace rumpk {

namespace {

constexpr uint32_t bits = 6;

constexpr uint64_t shifted_out(uint64_t value, uint32_t shift) {
    return shift < 64 ? value >> shift << shift : 0;
}

} // namespace

uint32_t DeadlineQueue::place(uint64_t key) const {
    const auto level = static_cast<uint32_t>(63 - std::countl_zero((key ^ base_) | 1)) / bits;
    if (cascading_ != no_slot && level < cascading_ / slots_per_level) {
        return cascading_;
    }
    return level * slots_per_level + (key >> (level * bits) & (slots_per_level - 1));
}

uint64_t DeadlineQueue::start_of(uint32_t slot) const {
    const uint32_t level = slot / slots_per_level;
    return shifted_out(base_, (level + 1) * bits) | uint64_t{slot % slots_per_level} << (level * bits);
}

uint32_t DeadlineQueue::first_slot() const {
    const auto level = static_cast<uint32_t>(std::countr_zero(levels_));
    return level * slots_per_level + static_cast<uint32_t>(std::countr_zero(used_[level]));
}

void DeadlineQueue::append(DeadlineNode& node, uint32_t slot) {
    node.slot = slot;
    node.next = nullptr;
    DeadlineNode* const head = slots_[slot];
    if (head == nullptr) {
        node.previous = &node;
        slots_[slot] = &node;
        const uint32_t level = slot / slots_per_level;
        used_[level] |= uint64_t{1} << slot % slots_per_level;
        levels_ |= 1U << level;
    } else {
        node.previous = head->previous;
        head->previous->next = &node;
        head->previous = &node;
    }
}

void DeadlineQueue::unlink(DeadlineNode& node) {
    const uint32_t slot = node.slot;
    DeadlineNode* const head = slots_[slot];
    if (head != &node) {
        node.previous->next = node.next;
        (node.next != nullptr ? node.next : head)->previous = node.previous;
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
    if (slot == cascading_) {
        cascading_ = no_slot;
    }
}

void DeadlineQueue::insert(DeadlineNode& node, Instant when) {
    ensure(!node.pending() && when != Instant::never());
    node.when = std::max(when, now_);
    append(node, place(node.when.nanoseconds()));
}

void DeadlineQueue::cancel(DeadlineNode& node) {
    ensure(node.pending());
    unlink(node);
    node.slot = DeadlineNode::not_pending;
}

void DeadlineQueue::advance(Instant now) {
    constexpr uint32_t timed = (1U << level_count) - 1;
    now_ = std::max(now_, now);
    for (uint32_t moves = 0; moves < moves_per_advance;) {
        if (cascading_ != no_slot) {
            DeadlineNode& node = *slots_[cascading_];
            const uint32_t from = cascading_;
            cascading_ = no_slot;
            const uint32_t to = place(node.when.nanoseconds());
            unlink(node);
            append(node, to);
            cascading_ = slots_[from] != nullptr ? from : no_slot;
            ++moves;
            continue;
        }
        if ((levels_ & timed) == 0 || start_of(first_slot()) > now_.nanoseconds()) {
            base_ = now_.nanoseconds();
            return;
        }
        const uint32_t slot = first_slot();
        base_ = start_of(slot);
        if (slot >= slots_per_level) {
            cascading_ = slot;
        } else {
            DeadlineNode& node = *slots_[slot];
            unlink(node);
            append(node, due_slot);
            ++moves;
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
    if (cascading_ != no_slot || slots_[due_slot] != nullptr) {
        return Instant{base_};
    }
    if (levels_ == 0) {
        return Instant::never();
    }
    const uint32_t slot = first_slot();
    uint64_t earliest = RUMPK_NEVER;
    const DeadlineNode* node = slots_[slot];
    for (uint32_t seen = 0; node != nullptr; node = node->next) {
        if (++seen > moves_per_advance / 2) {
            return Instant{start_of(slot)};
        }
        earliest = std::min(earliest, node->when.nanoseconds());
    }
    return Instant{slot < slots_per_level ? start_of(slot) : earliest};
}

} // namespace rumpk
