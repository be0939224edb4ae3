// SPDX-License-Identifier: Apache-2.0
#include "core/run_queue.h"

namespace rumpk {

void RunQueue::deselect() {
    if (current_ != no_tier) {
        other(current_) = first_;
        current_ = no_tier;
        first_ = nullptr;
    }
}

void RunQueue::select() {
    if (ready_ == 0) {
        deselect();
        return;
    }
    if (current_ != no_tier) {
        other(current_) = first_;
    }
    current_ = static_cast<Tier>(highest());
    first_ = other(current_);
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
    append(node, *first);
}

void RunQueue::remove(RunNode& node, Tier tier) {
    ensure(node.queued());
    RunNode* next = node.next;
    if (next == &node) {
        ready_ &= ~bit(tier);
        next = nullptr;
    } else {
        node.previous->next = next;
        next->previous = node.previous;
    }
    if (first_of(tier) == &node) {
        set_first_of(tier, next);
    }
    node = RunNode{};
}

} // namespace rumpk
