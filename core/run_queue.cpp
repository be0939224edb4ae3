// SPDX-License-Identifier: Apache-2.0
#include "core/run_queue.h"

namespace rumpk {

void RunQueue::set_first_of(Tier tier, RunNode* node) {
    if (tier == current_) {
        first_ = node;
    } else {
        others_[static_cast<size_t>(tier)] = node;
    }
}

void RunQueue::deselect() {
    if (current_ != no_tier) {
        others_[static_cast<size_t>(current_)] = first_;
        current_ = no_tier;
        first_ = nullptr;
    }
}

void RunQueue::select() {
    deselect();
    if (ready_ != 0) {
        const uint32_t tier = highest();
        current_ = static_cast<Tier>(tier);
        first_ = others_[tier];
    }
}

void RunQueue::select(RunNode& node, Tier tier) {
    ensure(node.queued());
    deselect();
    current_ = tier;
    first_ = &node;
}

void RunQueue::push_back(RunNode& node, Tier tier) {
    ensure(!node.queued());
    RunNode* const first = first_of(tier);
    if (first == nullptr) {
        node = {&node, &node};
        ready_ |= bit(tier);
        set_first_of(tier, &node);
        return;
    }
    node = {first, first->previous};
    node.previous->next = &node;
    first->previous = &node;
}

void RunQueue::remove(RunNode& node, Tier tier) {
    ensure(node.queued());
    if (node.next == &node) {
        ready_ &= ~bit(tier);
        set_first_of(tier, nullptr);
    } else {
        node.previous->next = node.next;
        node.next->previous = node.previous;
        if (first_of(tier) == &node) {
            set_first_of(tier, node.next);
        }
    }
    node = RunNode{};
}

} // namespace rumpk
