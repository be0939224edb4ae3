// SPDX-License-Identifier: Apache-2.0
#include "core/deadline_queue.h"

#include <algorithm>

namespace rumpk {

void DeadlineQueue::prepare(std::span<Family> storage) {
    ensure(empty() && !storage.empty() && storage.size() <= families_for(max_capacity));
    entries_ = storage.front().members.data();
    storage_end_ = static_cast<uint32_t>(storage.size()) * arity;
}

bool DeadlineQueue::before(const Entry& a, const Entry& b) {
    if (a.when == b.when) [[unlikely]] {
        return a.node->order < b.node->order;
    }
    return a.when < b.when;
}

void DeadlineQueue::put(uint32_t place, const Entry& what) {
    entries_[place] = what;
    what.node->place = place;
}

// The place is free; what is later than the entry moves down into it.
void DeadlineQueue::put_at_or_above(uint32_t place, Entry what) {
    while (place != top && before(what, entries_[above(place)])) {
        put(place, entries_[above(place)]);
        place = above(place);
    }
    put(place, what);
}

// Most members are later than the earliest so far: one compare is all they cost.
inline uint32_t DeadlineQueue::earliest_of(uint32_t first, uint32_t end) const {
    const Entry* earliest = entries_ + first;
    const Entry* const stop = entries_ + end;
    Instant when = earliest->when;
    for (const Entry* other = earliest + 1; other != stop; ++other) {
        if (other->when > when || (other->when == when && other->node->order > earliest->node->order)) {
            continue;
        }
        earliest = other;
        when = other->when;
    }
    return static_cast<uint32_t>(earliest - entries_);
}

// The place is free; of those below the earliest moves up, and so on below it.
// The place that is free then is at the bottom.
uint32_t DeadlineQueue::move_down(uint32_t place) {
    for (uint32_t first = first_below(place); first < end_; first = first_below(place)) {
        const uint32_t earliest = earliest_of(first, std::min(first + arity, end_));
        put(place, entries_[earliest]);
        place = earliest;
    }
    return place;
}

void DeadlineQueue::insert(DeadlineNode& node, Instant when) {
    ensure(!node.pending() && when != Instant::never() && end_ < storage_end_);
    node.order = order_++;
    put_at_or_above(end_++, {when, &node});
}

// The last entry fills the gap. It nearly always belongs at the bottom, where it
// was: the way down does not compare with it, and it seldom rises from there.
void DeadlineQueue::cancel(DeadlineNode& node) {
    ensure(node.pending() && entries_[node.place].node == &node);
    const uint32_t place = node.place;
    node.place = DeadlineNode::not_pending;
    const Entry last = entries_[--end_];
    if (place != end_) {
        put_at_or_above(move_down(place), last);
    }
}

void DeadlineQueue::advance(Instant now) {
    now_ = now;
    budget_ = moves_per_advance;
}

// At most: one on each level below the top, and the last entry, which takes the
// lowest of their places.
uint32_t DeadlineQueue::moves_to_remove_top() const {
    uint32_t levels = 0;
    for (uint32_t place = end_ - 1; place != top; place = above(place)) {
        ++levels;
    }
    return levels + 1;
}

DeadlineNode* DeadlineQueue::pop_due() {
    if (empty() || entries_[top].when > now_) {
        return nullptr;
    }
    const uint32_t moves = moves_to_remove_top();
    if (moves > budget_) {
        return nullptr;
    }
    budget_ -= moves;
    DeadlineNode& node = *entries_[top].node;
    cancel(node);
    return &node;
}

} // namespace rumpk
