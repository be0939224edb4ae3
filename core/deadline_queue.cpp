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

// The place is free; of those below the earliest moves up, and so on below it, as long as they are before
// the entry.
[[gnu::noinline]] void DeadlineQueue::sink(uint32_t place, Entry what) {
    Block* const* const blocks = blocks_;
    const uint32_t end = end_;
    Entry* there = at(place);
    for (uint32_t first = first_below(place); first < end; first = first_below(place)) {
        Entry* const family = blocks[first / block_size]->entries.data() + first % block_size;
        Entry* const earliest = earliest_of(family);
        if (before(what, *earliest)) {
            break;
        }
        put(*there, place, *earliest);
        place = first + static_cast<uint32_t>(earliest - family);
        there = earliest;
    }
    put(*there, place, what);
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

// Not the top. With the last place goes the hole, if that is the one before.
[[gnu::noinline]] DeadlineQueue::Entry DeadlineQueue::take_last() {
    const Entry last = std::exchange(*at(end_ - 1), {Instant::never(), nullptr});
    for (;;) {
        --end_;
        if (end_ % block_size == 0) {
            storage_->give(blocks_[end_ / block_size]);
        }
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

[[gnu::noinline]] void DeadlineQueue::close_gap() {
    sink(top, take_last());
}

[[gnu::noinline]] DeadlineNode* DeadlineQueue::take_below_gap() {
    if (empty()) {
        return nullptr; // it is never
    }
    close_gap();
    return take_top();
}

DeadlineNode* DeadlineQueue::pop_due(Instant now) {
    if (next() > now) {
        return nullptr;
    }
    return gap() ? take_below_gap() : take_top();
}

// Where nothing is below it stays free, if no other place does. Else the last entry goes there, or above or
// below that.
void DeadlineQueue::cancel(DeadlineNode& node) {
    const uint32_t place = node.place;
    ensure(place < end_ && at(place)->node == &node); // nobody is at not_pending
    node.place = DeadlineNode::not_pending;
    if (place == top) {
        (void)take_top();
        return;
    }
    if (hole_ == 0 && place != end_ - 1 && first_below(place) >= end_) {
        *at(place) = {Instant::never(), nullptr};
        hole_ = place;
    } else if (const Entry last = take_last(); place < end_) {
        const Entry& parent = *at(above(place));
        if (parent.node != nullptr && before(last, parent)) {
            rise(place, last);
        } else {
            sink(place, last);
        }
    }
    if (gap()) {
        (void)take_top();
    }
}

} // namespace rumpk
