// SPDX-License-Identifier: Apache-2.0
#include "core/deadline_queue.h"

#include <utility>

namespace rumpk {

void DeadlineStorage::prepare(std::span<Block> blocks, std::span<Block*> pointers) {
    blocks_ = blocks.size();
    ensure(blocks_ != 0 && pointers.size() >= blocks_);
    free_ = pointers.data();
    rest_ = pointers.subspan(blocks_);
    for (Block& block : blocks) {
        block.entries.fill({Instant::never(), nullptr});
        give(&block);
    }
}

DeadlineStorage::Block** DeadlineStorage::places_of_queue() {
    ensure(rest_.size() >= blocks_);
    Block** const places = rest_.data();
    rest_ = rest_.subspan(blocks_);
    return places;
}

DeadlineStorage::Block* DeadlineStorage::take() {
    ensure(free_count_ != 0);
    return free_[--free_count_];
}

namespace {

using Entry = DeadlineStorage::Entry;

bool before(const Entry& a, const Entry& b) {
    if (a.when == b.when) [[unlikely]] {
        return a.node->order < b.node->order;
    }
    return a.when < b.when;
}

void put(Entry& there, uint32_t place, const Entry& what) {
    there = what;
    what.node->place = place;
}

// Of a family. Most members are later than the earliest so far: one compare is all they
// cost, and so are those that are not there.
[[gnu::always_inline]] inline Entry* earliest_of(Entry* family) {
    Entry* earliest = family;
    Instant when = family->when;
    for (uint32_t i = 1; i < DeadlineQueue::arity; ++i) {
        Entry* const other = family + i;
        if (other->when > when || (other->when == when && other->node->order > earliest->node->order)) {
            continue;
        }
        earliest = other;
        when = other->when;
    }
    return earliest;
}

} // namespace

void DeadlineQueue::prepare(DeadlineStorage& storage) {
    storage_ = &storage;
    blocks_ = storage.places_of_queue();
    blocks_[0] = storage.take();
    top_ = at(top);
}

// The place is free; what is later than the entry moves down into it.
[[gnu::noinline]] void DeadlineQueue::put_at_or_above(uint32_t place, Entry what) {
    Entry* there = at(place);
    while (place != top) {
        const uint32_t higher = above(place);
        Entry* const parent = at(higher);
        if (!before(what, *parent)) {
            break;
        }
        put(*there, place, *parent);
        place = higher;
        there = parent;
    }
    put(*there, place, what);
}

// The place is free; of those below the earliest moves up, and so on below it.
// The place that is free then is at the bottom.
inline uint32_t DeadlineQueue::move_down(uint32_t place) {
    Entry* there = at(place);
    for (uint32_t first = first_below(place); first < end_; first = first_below(place)) {
        Entry* const family = at(first);
        Entry* const earliest = earliest_of(family);
        put(*there, place, *earliest);
        place = first + static_cast<uint32_t>(earliest - family);
        there = earliest;
    }
    return place;
}

void DeadlineQueue::insert(DeadlineNode& node, Instant when) {
    ensure(!node.pending() && when != Instant::never());
    if (end_ % block_size == 0) {
        blocks_[end_ / block_size] = storage_->take();
    }
    node.order = order_++;
    put_at_or_above(end_++, {when, &node});
}

// The last entry fills the gap. It nearly always belongs at the bottom, where it
// was: the way down does not compare with it, and it seldom rises from there.
void DeadlineQueue::cancel(DeadlineNode& node) {
    const uint32_t place = node.place;
    ensure(node.pending() && place < end_ && at(place)->node == &node);
    node.place = DeadlineNode::not_pending;
    const Entry last = std::exchange(*at(--end_), {Instant::never(), nullptr});
    if (place != end_) {
        put_at_or_above(move_down(place), last);
    }
    if (end_ % block_size == 0) {
        storage_->give(blocks_[end_ / block_size]);
    }
}

DeadlineNode& DeadlineQueue::take_top() {
    DeadlineNode& node = *top_->node;
    cancel(node);
    return node;
}

} // namespace rumpk
