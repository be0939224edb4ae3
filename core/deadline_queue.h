// SPDX-License-Identifier: Apache-2.0
// Deadlines of one core, exact to the nanosecond: for each tier an implicit heap in
// which each place has eight below it.
//
// A queue for each tier, so that a deadline waits for no lower tier's: however many
// of those are due at the same moment, it is on top of its own queue.
//
// The earliest deadline is known at all times, so next() is exact and no interrupt comes
// without one that is due.
//
// The work of one operation is bounded by the depth, and the depth by a constant:
// seven levels hold 2,396,745 deadlines, more than a core can have fibers. insert
// moves nothing in 7 cases of 8. What is taken out from within leaves a place free at the
// bottom, one a queue, for the next one to be inserted: who waits with a time limit and was
// woken before does so again. None moves more than eight, up a way and down one.
//
// Who is taken from the top leaves a gap there, which knows the earliest below it and
// no more: that is short, however many are pending. The next one cannot be taken out
// before the gap is closed, which brings up one entry a level, and in a deep heap not before
// what the last one left free is filled. An interrupt does one of these three, and the woken
// fiber runs between them.
//
// Which tiers the fibers of a core will have is not known when its memory is given
// out. So the queues share it: blocks of 64 entries, which a queue takes when it
// grows and gives back when it shrinks. To find them again costs an eighth of a byte
// a deadline and queue.
//
// Ties keep the order of insertion: insertions are counted, and the count decides
// between equal times.
//
// Why not a timing wheel, whose bound is the width of the key (11 levels of 6
// bits)? It was built and measured first. A wheel must open a slot when time
// reaches it, and all that hangs there moves before its first is due: eight
// entries an interrupt, and interrupt after interrupt in which nobody else gets
// on. With 4,096 random deadlines pending, one timer interrupt in six served
// nobody, up to 512 in a row, at up to 1,317 instructions with interrupts masked
// (riscv64, no bit-count instruction); with 1,000,000 on the host 13,500 came in a
// row. Here every third one serves at least, and the others have about 280 for it with 100,000
// pending. Eight entries an interrupt is a bound on the interrupt and not on the wait; here both hold.
// Balanced trees cost a cache miss a bit of the count, tries of bounded depth far more memory than the 16
// bytes a deadline of this.
#pragma once

#include <array>
#include <span>

#include "core/types.h"

namespace rumpk {

// Part of whatever waits. Must not move while pending. Written by the queue alone.
struct DeadlineNode {
    uint64_t order = 0; // insertions before this one
    uint32_t place = not_pending;

    static constexpr uint32_t not_pending = 0;
    [[nodiscard]] constexpr bool pending() const { return place != not_pending; }
};

// What the queues of one core have their entries in. Belongs to that core, as they do.
class DeadlineStorage {
  public:
    static constexpr uint32_t arity = 8;
    static constexpr uint32_t block_size = 64;

    struct Entry {
        Instant when{}; // never(): the place is free
        DeadlineNode* node = nullptr;
    };
    // The eight below one place stand together: two cache lines of 64 bytes.
    struct alignas(arity * sizeof(Entry)) Block {
        std::array<Entry, block_size> entries{};
    };
    // Blocks for so many deadlines, however they are spread over the queues: each may have its
    // last block for one entry alone, does not use its first seven places, and the eighth may be a gap. One
    // more may be a hole, but not of the queue that the last one is inserted into.
    [[nodiscard]] static constexpr size_t blocks_for(size_t deadlines, size_t queues) {
        return (deadlines - 1 + queues * (arity + block_size)) / block_size;
    }
    // Pointers that go with so many blocks: those that are free, and each queue's.
    [[nodiscard]] static constexpr size_t pointers_for(size_t blocks, size_t queues) {
        return blocks * (1 + queues);
    }

    // Once, before all else. The memory is the storage's from then on.
    void prepare(std::span<Block> blocks, std::span<Block*> pointers);

  private:
    friend class DeadlineQueue;
    // Where a queue notes its blocks: one of the last pointers_for() asked for.
    [[nodiscard]] Block** places_of_queue();
    [[nodiscard]] Block* take();
    void give(Block* block) { free_[free_count_++] = block; }

    Block** free_ = nullptr; // free_count_ of blocks_
    size_t free_count_ = 0;
    size_t blocks_ = 0;
    std::span<Block*> rest_; // for queues to come
    uint64_t order_ = 0;     // insertions so far, into whichever queue; 2^64 never come
};

// Belongs to one core and is touched with interrupts masked.
class DeadlineQueue {
  public:
    static constexpr uint32_t arity = DeadlineStorage::arity;
    // Most that may be pending at once: 1 + 8 + 64 + ... + 8^7.
    static constexpr uint32_t max_capacity = 2'396'745;

    // Once, before all else.
    void prepare(DeadlineStorage& storage);

    // The node is not pending, never() is no deadline, and there is storage. A moment
    // that has passed is due at once, in its order of time.
    void insert(DeadlineNode& node, Instant when);
    // The node is pending here.
    void cancel(DeadlineNode& node);
    // Of a node that is pending here.
    [[nodiscard]] Instant when(const DeadlineNode& node) const { return at(node.place)->when; }
    // Takes out the next deadline that is not after `now`: earliest first, of equals the
    // first inserted. nullptr: there is none. Closes a gap before.
    [[nodiscard]] DeadlineNode* pop_due(Instant now);
    // What else pop_due would do first takes as long as all the rest of an interrupt.
    [[nodiscard]] bool wants_closing() const { return gap() && !empty(); }
    // There is a gap, and something below it. One of at most two steps: wants_closing() says if there is
    // another.
    void close_gap();

    // The earliest deadline; never(): there is none.
    [[nodiscard]] Instant next() const { return top_->when; }
    [[nodiscard]] bool empty() const { return gap() && end_ == first_below(top); }

  private:
    using Entry = DeadlineStorage::Entry;
    using Block = DeadlineStorage::Block;
    static constexpr uint32_t block_size = DeadlineStorage::block_size;

    // Places count so that the eight below one begin a family: the top is 7, below
    // it stand 8..15, below 8 stand 16..23. Places 0 to 6 are not used.
    static constexpr uint32_t top = arity - 1;
    [[nodiscard]] static constexpr uint32_t above(uint32_t place) { return place / arity + (top - 1); }
    [[nodiscard]] static constexpr uint32_t first_below(uint32_t place) {
        return (place - (top - 1)) * arity;
    }
    static_assert(block_size % arity == 0, "a family stands in one block");

    [[nodiscard]] Entry* at(uint32_t place) const {
        return blocks_[place / block_size]->entries.data() + place % block_size;
    }
    [[nodiscard]] bool gap() const { return top_->node == nullptr; }
    DeadlineNode* take_top();
    DeadlineNode* take_below_gap();
    void drop_last();
    [[nodiscard]] Entry take_last();
    void rise(uint32_t place, Entry entry);
    [[nodiscard]] uint32_t vacate(uint32_t place);

    // By place, from top to end_: every entry is before all below it, and its node knows its place. The one
    // on top may be a gap, without a node: it has the time of the earliest below. One with nothing below may
    // be a hole: a free place, which is not the last.
    Block** blocks_ = nullptr;        // as many as the places up to end_ need, the first for ever
    Entry* top_ = nullptr;            // the entry there
    uint32_t end_ = first_below(top); // first place that is free, but for the top
    uint32_t hole_ = 0;               // and this one; 0: there is none
    DeadlineStorage* storage_ = nullptr;
};

} // namespace rumpk
