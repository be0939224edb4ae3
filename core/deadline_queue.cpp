// SPDX-License-Identifier: Apache-2.0
#include "core/deadline_queue.h"

#include <algorithm>
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
#pragma clang loop unroll(full)
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

// The place is free; what is later than the entry moves down into it, as far as to a gap: that is not later
// than anything.
[[gnu::noinline]] void DeadlineQueue::rise(uint32_t place, Entry what) {
    Block* const* const blocks = blocks_;
    Entry* there = at(place);
    while (place != top) {
        const uint32_t higher = above(place);
        Entry* const parent = blocks[higher / block_size]->entries.data() + higher % block_size;
        if (parent->node == nullptr || !before(what, *parent)) {
            break;
        }
        put(*there, place, *parent);
        place = higher;
        there = parent;
    }
    put(*there, place, what);
}

// Of those below the place the earliest moves up, and so on below that. Returns the place that is free then,
// which has nothing below.
[[gnu::noinline]] uint32_t DeadlineQueue::vacate(uint32_t place) {
    Block* const* const blocks = blocks_;
    const uint32_t end = end_;
    Entry* there = at(place);
    for (uint32_t first = first_below(place); first < end; first = first_below(place)) {
        Entry* const family = blocks[first / block_size]->entries.data() + first % block_size;
        Entry* const earliest = earliest_of(family);
        const Entry up = *earliest;
        put(*there, place, up);
        place = first + static_cast<uint32_t>(earliest - family);
        there = earliest;
    }
    *there = {Instant::never(), nullptr};
    return place;
}

void DeadlineQueue::insert(DeadlineNode& node, Instant when) {
    ensure(!node.pending() && when != Instant::never());
    node.order = storage_->order_++;
    if (gap() && when < next()) {
        put(*top_, top, {when, &node});
        return;
    }
    uint32_t place = std::exchange(hole_, 0);
    if (place == 0) {
        place = end_++;
        if (place % block_size == 0) {
            blocks_[place / block_size] = storage_->take();
        }
    }
    rise(place, {when, &node});
}

// The last place is free.
[[gnu::always_inline]] inline void DeadlineQueue::drop_last() {
    --end_;
    if (end_ % block_size == 0) {
        storage_->give(blocks_[end_ / block_size]);
    }
}

// Not the top. With the last place goes the hole, if that is the one before.
[[gnu::noinline]] DeadlineQueue::Entry DeadlineQueue::take_last() {
    const Entry last = std::exchange(*at(end_ - 1), {Instant::never(), nullptr});
    for (;;) {
        drop_last();
        if (hole_ != end_ - 1) {
            return last;
        }
        hole_ = 0;
    }
}

// Whatever is on top becomes a gap. Returns who it was; nullptr: there was one.
[[gnu::noinline]] DeadlineNode* DeadlineQueue::take_top() {
    DeadlineNode* const node = top_->node;
    if (node != nullptr) {
        node->place = DeadlineNode::not_pending;
    }
    Instant earliest = Instant::never();
    if (end_ != first_below(top)) {
#pragma clang loop unroll(full)
        for (uint32_t i = 1; i <= arity; ++i) {
            earliest = std::min(earliest, top_[i].when); // the family behind it in the block
        }
    }
    *top_ = {earliest, nullptr};
    return node;
}

// Brings up one entry a level, and leaves a hole. Where there is one already that is filled before; in a deep
// heap that is a step of its own.
[[gnu::noinline]] void DeadlineQueue::close_gap() {
    constexpr uint32_t deep = first_below(first_below(first_below(first_below(top))));
    if (const uint32_t place = std::exchange(hole_, 0); place != 0) {
        rise(place, take_last());
        if (end_ > deep) {
            return;
        }
    }
    const uint32_t place = vacate(top);
    if (place == end_ - 1) {
        drop_last();
    } else {
        hole_ = place;
    }
}

[[gnu::noinline]] DeadlineNode* DeadlineQueue::take_below_gap() {
    if (empty()) {
        return nullptr; // it is never
    }
    close_gap();
    if (gap()) {
        close_gap();
    }
    return take_top();
}

DeadlineNode* DeadlineQueue::pop_due(Instant now) {
    if (next() > now) {
        return nullptr;
    }
    return gap() ? take_below_gap() : take_top();
}

// The place that is free then stays so, if no other does. Else the last entry goes there, or above.
void DeadlineQueue::cancel(DeadlineNode& node) {
    uint32_t place = node.place;
    ensure(place < end_ && at(place)->node == &node); // nobody is at not_pending
    node.place = DeadlineNode::not_pending;
    if (place == top) {
        (void)take_top();
        return;
    }
    place = vacate(place);
    if (place == end_ - 1) {
        (void)take_last();
    } else if (hole_ == 0) {
        hole_ = place;
    } else {
        rise(place, take_last());
    }
    if (gap()) {
        (void)take_top();
    }
}

} // namespace rumpk
