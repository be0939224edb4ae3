// SPDX-License-Identifier: Apache-2.0
// Deadlines of one core, exact to the nanosecond: an implicit heap in which each
// place has eight below it.
//
// Every timer interrupt serves a deadline. The earliest stands on top at all
// times, so next() is exact and there is no wake that only prepares others.
//
// The work of one operation is bounded by the depth, and the depth by a constant:
// seven levels hold 2,396,745 deadlines, more than a core can have fibers. insert
// moves nothing in 7 cases of 8; cancel seldom finds anything below the place it
// empties; pop_due brings up one entry a level. None moves more than eight.
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
// row. Here every one serves, at up to 516 with 4,096 pending, 333 with 64, 89 with
// one; insert takes 43 instructions for the wheel's 97. Eight entries an interrupt
// is a bound on the interrupt and not on the wait; here both hold. Balanced trees
// cost a cache miss a bit of the count, tries of bounded depth far more memory
// than the 16 bytes a deadline of this.
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

// Belongs to one core and is touched with interrupts masked.
class DeadlineQueue {
  public:
    // Most entries that a timer interrupt moves, see pop_due().
    static constexpr uint32_t moves_per_advance = 8;
    static constexpr uint32_t arity = 8;

    struct Entry {
        Instant when{};
        DeadlineNode* node = nullptr;
    };
    // The eight below one place stand together: two cache lines of 64 bytes.
    struct alignas(arity * sizeof(Entry)) Family {
        std::array<Entry, arity> members{};
    };
    // Most that may be pending at once: 1 + 8 + 64 + ... + 8^7.
    static constexpr uint32_t max_capacity = 2'396'745;
    // Storage for so many deadlines: the top, alone in a family, and full families.
    [[nodiscard]] static constexpr size_t families_for(size_t deadlines) {
        return 1 + (deadlines + arity - 2) / arity;
    }

    // Once, before all else. The storage is the queue's from then on; it holds
    // 1 + 8 * (size - 1) deadlines: one for each that can wait on this core.
    void prepare(std::span<Family> storage);

    // The node is not pending, never() is no deadline, and there is storage. A moment
    // that has passed is due at once, in its order of time.
    void insert(DeadlineNode& node, Instant when);
    // The node is pending.
    void cancel(DeadlineNode& node);

    // A timer interrupt begins, and it is `now`.
    void advance(Instant now);
    // Takes out the next deadline that is not after the `now` of advance(): earliest
    // first, of equals the first inserted. One is given if one is due; further ones
    // while no more than moves_per_advance entries move. nullptr: no more this time.
    [[nodiscard]] DeadlineNode* pop_due();

    // The earliest deadline; never(): there is none. One that has passed means that
    // advance() is wanted again now.
    [[nodiscard]] Instant next() const { return empty() ? Instant::never() : entries_[top].when; }
    [[nodiscard]] bool empty() const { return end_ == top; }

  private:
    // Places count so that the eight below one begin a family: the top is 7, below
    // it stand 8..15, below 8 stand 16..23. The rest of family 0 is not used.
    static constexpr uint32_t top = arity - 1;
    [[nodiscard]] static constexpr uint32_t above(uint32_t place) { return place / arity + (top - 1); }
    [[nodiscard]] static constexpr uint32_t first_below(uint32_t place) {
        return (place - (top - 1)) * arity;
    }

    [[nodiscard]] static bool before(const Entry& a, const Entry& b);
    [[nodiscard]] uint32_t earliest_of(uint32_t first, uint32_t end) const;
    [[nodiscard]] uint32_t moves_to_remove_top() const;
    void put(uint32_t place, const Entry& entry);
    void put_at_or_above(uint32_t place, Entry entry);
    uint32_t move_down(uint32_t place);

    // By place, from top to end_: every entry is before all below it, and its node
    // knows its place.
    Entry* entries_ = nullptr;
    uint32_t end_ = top;         // first place that is free
    uint32_t storage_end_ = top; // first that does not exist
    uint64_t order_ = 0;         // insertions so far; 2^64 never come
    Instant now_{};              // of advance()
    uint32_t budget_ = 0;        // entries that may still move since then
};

} // namespace rumpk
