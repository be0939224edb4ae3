// SPDX-License-Identifier: Apache-2.0
// Deadlines of one core, exact to the nanosecond.
#pragma once

#include <array>

#include "core/types.h"

namespace rumpk {

// A place in the queue, part of whatever waits. Must not move while pending.
struct DeadlineNode {
    Instant
        when{}; // when it is due: as given to insert, or the moment of the last advance() if that was later
    DeadlineNode* next = nullptr;
    DeadlineNode* previous = nullptr;
    uint32_t slot = not_pending;

    static constexpr uint32_t not_pending = ~0U;
    [[nodiscard]] constexpr bool pending() const { return slot != not_pending; }
};

class DeadlineQueue {
  public:
    // Most entries that one advance() moves.
    static constexpr uint32_t moves_per_advance = 8;

    // The node is not pending. never() is no deadline and is not inserted. A
    // moment that has passed is due at once, after what is due already.
    void insert(DeadlineNode& node, Instant when);
    // The node is pending, whether due or not.
    void cancel(DeadlineNode& node);

    // The time is now `now`, which never goes back: finds what is due.
    void advance(Instant now);
    // Takes out the next of what advance() found due: earliest first, of equals the
    // first inserted. nullptr: nothing more; next() says whether that is all.
    DeadlineNode* pop_due();

    // When advance() must be called next; never(): not before an insert. A moment
    // that has passed means: again now, there is more to move than one call does.
    [[nodiscard]] Instant next() const;
    [[nodiscard]] bool empty() const { return next() == Instant::never(); }

  private:
    static constexpr uint32_t bits_per_level = 6;
    static constexpr uint32_t slots_per_level = 1U << bits_per_level;
    static constexpr uint32_t level_count = (64 + bits_per_level - 1) / bits_per_level;
    static constexpr uint32_t due_slot = level_count * slots_per_level;
    static constexpr uint32_t no_slot = due_slot + 1;

    [[nodiscard]] uint32_t place(uint64_t key) const;
    [[nodiscard]] uint64_t start_of(uint32_t slot) const;
    [[nodiscard]] uint32_t first_slot() const;
    void append(DeadlineNode& node, uint32_t slot);
    void unlink(DeadlineNode& node);

    Instant now_{};
    uint64_t base_ = 0;
    uint32_t levels_ = 0;
    uint32_t cascading_ = no_slot;
    std::array<uint64_t, level_count + 1> used_{};
    std::array<DeadlineNode*, due_slot + 1> slots_{};
};

} // namespace rumpk
