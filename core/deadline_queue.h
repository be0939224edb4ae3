// SPDX-License-Identifier: Apache-2.0
// Deadlines of one core, exact to the nanosecond: a hierarchical timing wheel
// (Varghese and Lauck, 1987, scheme 6) over the whole 64-bit key.
//
// Eleven levels of 64 slots; a slot of level n is 64^n ns wide, so a slot of
// level 0 is one nanosecond. An entry hangs at the level of the highest 6-bit
// digit in which its moment differs from the wheel's base, in the slot which
// that digit names. Two facts follow. What hangs at a lower level is earlier
// than all that hangs higher up, and so are lower slots of one level: the next
// entry is found with two bit searches. And an entry never has to move before
// time reaches its slot; then the slot is opened: its entries move, in order, to
// lower levels. Ten moves at most take an entry to level 0, whatever else is
// pending: insert and cancel are O(1), and all of it is bounded by the width of
// the key and not by the count.
//
// Order is exact because only level 0 is ever found due. Ties keep their order
// of insertion because slots are first in, first out, a slot is opened from its
// front, and what is inserted into a slot that is being opened goes to its end.
//
// One advance() moves eight entries at most; the caller comes back for more with
// interrupts open in between. So a slot with thousands of entries delays its own
// first ones by the time its opening takes. A slot with few is opened straight to
// its earliest entry, which next() names exactly: an ordinary deadline costs the
// one wake that serves it.
//
// Why no other structure: a heap or a tree costs more with every doubling of the
// count, in dependent cache misses; a trie of bounded depth needs nodes that
// nothing here could allocate, or ones so large that a fiber of 1 KiB could not
// afford its share.
#pragma once

#include <array>

#include "core/types.h"

namespace rumpk {

// A place in the queue, part of whatever waits. Must not move while pending.
// Written by the queue alone.
struct DeadlineNode {
    Instant when{}; // as given to insert, or the moment of the last advance() if that was later
    DeadlineNode* next = nullptr;
    DeadlineNode* previous = nullptr; // of a slot's first: its last
    uint32_t slot = not_pending;

    static constexpr uint32_t not_pending = ~0U;
    [[nodiscard]] constexpr bool pending() const { return slot != not_pending; }
};

// Belongs to one core and is touched with interrupts masked. 5.8 KB.
class DeadlineQueue {
  public:
    // Most entries that one advance() moves.
    static constexpr uint32_t moves_per_advance = 8;

    // The node is not pending, and never() is no deadline. A moment that has passed
    // is due at once: it counts as the moment of the last advance().
    void insert(DeadlineNode& node, Instant when);
    // The node is pending, whether found due or not.
    void cancel(DeadlineNode& node);

    // It is `now`: finds what is due. Time that goes back is not believed.
    void advance(Instant now);
    // Takes out the next of what advance() found due: earliest first, of equals the
    // first inserted. nullptr: nothing more; next() says whether that is all.
    DeadlineNode* pop_due();

    // When advance() must be called next; never(): not before an insert. Not after
    // the earliest deadline. A moment that has passed means: again now, there is
    // more to move than one call does.
    [[nodiscard]] Instant next() const;
    [[nodiscard]] bool empty() const { return levels_ == 0; }

  private:
    static constexpr uint32_t bits_per_level = 6;
    static constexpr uint32_t slots_per_level = 1U << bits_per_level;
    static constexpr uint32_t level_count = (64 + bits_per_level - 1) / bits_per_level;
    // Where what is due waits for pop_due: the only slot of a level of its own.
    static constexpr uint32_t due_slot = level_count * slots_per_level;
    static constexpr uint32_t no_slot = due_slot + 1;
    // A slot with so many entries or less is opened, and its earliest found due, in one advance().
    static constexpr uint32_t few = moves_per_advance / 2;

    [[nodiscard]] uint32_t slot_for(Instant when) const;
    [[nodiscard]] uint32_t first_slot() const;
    [[nodiscard]] Instant start_of(uint32_t slot) const;
    [[nodiscard]] Instant earliest_in(uint32_t slot) const;
    [[nodiscard]] bool nothing_timed() const;
    void append(DeadlineNode& node, uint32_t slot);
    void unlink(DeadlineNode& node);
    void lower_one();

    // base_ <= now_, and no entry is earlier than base_.
    Instant base_{};
    Instant now_{};              // of the last advance()
    uint32_t opening_ = no_slot; // not empty; base_ lies in it. Lower levels hold what left it.
    uint32_t levels_ = 0;        // bit n: used_[n] is not 0
    std::array<uint64_t, level_count + 1> used_{}; // [n] bit k: slot k of level n is not empty
    std::array<DeadlineNode*, due_slot + 1> slots_{};
};

} // namespace rumpk
