// SPDX-License-Identifier: Apache-2.0
//
// What a ring's two ends have in common: the private geometry, the two header
// lines, closing, parking and statistics. Use ion::Producer and ion::Consumer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "abi/ring.h"
#include "ion/geometry.h"
#include "ion/memory.h"
#include "ion/result.h"

namespace ion {

// Why an end will not go on; the ABI's reasons as a type.
enum class Close : uint32_t {
    open = RUMPK_RING_OPEN,
    closed = RUMPK_RING_CLOSED,
    broken = RUMPK_RING_BROKEN,
};

// The end that writes, or the one that reads.
enum class Role : bool { producer, consumer };

// Shape: Geometry, or a FixedGeometry.
template <class Fence, class Words, class Shape, Role role>
class Endpoint {
  public:
    [[nodiscard]] const Shape& geometry() const { return geometry_; }

    // This end will not go on; the other learns the reason and should be rung if it is waiting. What
    // was published before can still be consumed. The first reason stays. Close::open is ignored.
    void close(Close reason = Close::closed) {
        if (reason != Close::open) {
            standing_ = shut(own(), standing_, reason);
        }
    }

    // What this end was closed with; Close::broken also when the other end was caught lying.
    [[nodiscard]] Close closed() const { return standing_.closed; }

    // What the other end says now. One read of its line. An unknown reason counts as closed.
    [[nodiscard]] Close peer_closed() const { return close_of(peer_reason()); }

    // Parking: arm(); look again (claim or peek); if there is still nothing, sleep until the bell;
    // disarm(). The second look is not optional: between the first and arm() the other end may have
    // worked and found nobody waiting.
    void arm() {
        // relaxed: ordered before the second look by the fence that follows. Without the fence both
        // ends may read the other's old word, and nobody rings.
        want_bell(1);
        fence_.heavy();
    }

    void disarm() { want_bell(0); }

    // After publish, release or close: does the other end want a bell? On two cores it is this end's
    // own line that is looked at: the other's is written with every message, and would have to come
    // over for every look.
    [[nodiscard]] bool peer_waiting() const {
        return wants_bell(Fence::one_core ? peer().waiting : own().wanted);
    }

    // Statistics, in this end's own line for others to read; count what the caller did.
    void count_wait() { Words::store(own().waits, ++waits_, std::memory_order_relaxed); }
    void count_bell() { Words::store(own().bells, ++bells_, std::memory_order_relaxed); }
    [[nodiscard]] uint64_t waits() const { return waits_; }
    [[nodiscard]] uint64_t bells() const { return bells_; }
    [[nodiscard]] uint32_t high_water() const { return high_water_; }

    // Moves whenever that end was restarted, the ring was found broken, or it was formatted anew.
    [[nodiscard]] uint32_t epoch() const { return standing_.epoch; }
    [[nodiscard]] uint32_t peer_epoch() const {
        // acquire: pairs with the release in set_epoch, so that who sees the successor's epoch sees
        // the line the successor wrote before it.
        return Words::load(peer().epoch, std::memory_order_acquire);
    }

  protected:
    static constexpr bool fixed = !std::is_same_v<Shape, Geometry>;

    Endpoint(void* base, Shape geometry, Fence fence)
        : header_(static_cast<rumpk_ring_header*>(base)), geometry_(geometry), fence_(fence) {
        standing_.epoch = Words::load(own().epoch, std::memory_order_relaxed);
    }

    // In bounds for any position: index by the private mask, stride by the private geometry.
    [[nodiscard]] rumpk_slot_header& slot(uint64_t position) const {
        const uint64_t index = static_cast<uint32_t>(position) & (geometry_.slots() - 1);
        return *reinterpret_cast<rumpk_slot_header*>(first_slot() + index * geometry_.slot_size());
    }

    // The same for a position of the lap that this end is in: what the fast paths use. They compare the
    // position with the end of the lap, or of what is known of it, in one test, and need no mask. For any
    // other position an address, which nobody may look at. With a fixed geometry the mask is cheaper than
    // laps, and one lap has no end.
    [[nodiscard]] rumpk_slot_header* slot_of_lap(uint64_t position) const {
        if constexpr (fixed) {
            return &slot(position);
        } else {
            return reinterpret_cast<rumpk_slot_header*>(lap_ + static_cast<uintptr_t>(position) *
                                                                   geometry_.slot_size());
        }
    }
    // Goes into the lap of `position`; where it ends.
    uint64_t enter_lap(uint64_t position) {
        if constexpr (fixed) {
            return ~uint64_t{0};
        }
        const uint64_t first = position & -uint64_t{geometry_.slots()}; // a power of two: rounds down
        lap_ =
            reinterpret_cast<uintptr_t>(first_slot()) - static_cast<uintptr_t>(first) * geometry_.slot_size();
        return first + geometry_.slots();
    }
    [[nodiscard]] static std::byte* payload_of(rumpk_slot_header& slot) {
        return reinterpret_cast<std::byte*>(&slot) + RUMPK_SLOT_HEADER_SIZE;
    }

    // Slots from `position` on, up to the end of the ring's memory: they lie at one stride.
    [[nodiscard]] uint32_t slots_to_end(uint64_t position) const {
        return geometry_.slots() - (static_cast<uint32_t>(position) & (geometry_.slots() - 1));
    }

    // Is message `position` complete, whose sequence is position + 1?
    [[nodiscard]] bool committed(uint64_t position) const {
        return holds(slot(position), static_cast<uint32_t>(position + 1));
    }

    // acquire: pairs with the release in Producer::seal. Without it tag, length and payload may be
    // read from before they were written.
    [[nodiscard]] static bool holds(const rumpk_slot_header& slot, uint32_t sequence) {
        return Words::load(slot.sequence, std::memory_order_acquire) == sequence;
    }

    [[nodiscard]] bool wants_bell(const uint32_t& word) const {
        fence_.light(); // our sequence or position is written before this read; pairs with arm()
        return Words::load(word, std::memory_order_relaxed) != 0;
    }

    [[nodiscard]] uint32_t capacity() const { return geometry_.capacity(); }

    // acquire: see close().
    [[nodiscard]] uint32_t peer_reason() const {
        return Words::load(peer().closed, std::memory_order_acquire);
    }

    [[nodiscard]] static Close close_of(uint32_t reason) {
        if (reason == RUMPK_RING_OPEN) {
            return Close::open;
        }
        return reason == RUMPK_RING_BROKEN ? Close::broken : Close::closed;
    }

    void relax() const { fence_.relax(); }

    [[nodiscard]] Errno why_closed() const { return closed() == Close::broken ? Errno::io : Errno::pipe; }

    // The other end has closed. If it calls the ring broken, so do we: thus both epochs move, each by
    // its owner's hand.
    Errno peer_gone(Close reason) {
        if (reason == Close::broken) {
            close(Close::broken);
        }
        return Errno::pipe;
    }

    // The other end lied.
    Errno caught() {
        close(Close::broken);
        return Errno::io;
    }

    void note_outstanding(uint64_t messages) {
        if (messages > high_water_) {
            high_water_ = static_cast<uint32_t>(messages);
            Words::store(own().high_water, high_water_, std::memory_order_relaxed);
        }
    }

    // A successor takes over the line of a dead predecessor: its statistics go on, its wish for a
    // bell does not, its epoch moves last.
    void take_over(uint64_t position) {
        waits_ = Words::load(own().waits, std::memory_order_relaxed);
        bells_ = Words::load(own().bells, std::memory_order_relaxed);
        high_water_ = Words::load(own().high_water, std::memory_order_relaxed);
        want_bell(0);
        // release: pairs with the peer's acquire of the position, as in tell and hand_back.
        Words::store(own().position, position, std::memory_order_release);
        set_epoch(own(), ++standing_.epoch);
    }

    // Two positions of an honest ring are never further apart than this, whichever is ahead. Positions do
    // not wrap: nobody sends 2^63 messages, and everything that compares them relies on that.
    [[nodiscard]] bool within_a_lap(uint64_t a, uint64_t b) const {
        return ((a | b) >> 63) == 0 && (a > b ? a - b : b - a) <= geometry_.slots();
    }

    [[nodiscard]] rumpk_ring_line& own() const {
        return role == Role::producer ? header_->producer : header_->consumer;
    }
    [[nodiscard]] rumpk_ring_line& peer() const {
        return role == Role::producer ? header_->consumer : header_->producer;
    }

  private:
    // What closing changes of an end.
    struct Standing {
        uint32_t epoch;
        Close closed;
    };

    // Out of line, since it is rare; and by value: an end whose address is given away is read anew behind the
    // call, its geometry as well, which the compiler may have known as constants.
    [[nodiscard, gnu::noinline]] static Standing shut(rumpk_ring_line& own, Standing now, Close reason) {
        if (now.closed != Close::open) {
            return now;
        }
        if (reason == Close::broken) {
            set_epoch(own, ++now.epoch);
        }
        // release: who sees `closed` sees all that was published or released before (pairs with the
        // acquire in peer_closed). Without it the last messages before an orderly end are lost.
        Words::store(own.closed, static_cast<uint32_t>(reason), std::memory_order_release);
        return {now.epoch, reason};
    }

    static void set_epoch(rumpk_ring_line& own, uint32_t epoch) {
        Words::store(own.epoch, epoch, std::memory_order_release); // pairs with peer_epoch
    }

    // `waiting` is for whoever looks on, and for the other end on the same core; `wanted`, in the other's
    // line, is for the other end on another core.
    void want_bell(uint32_t yes) {
        Words::store(own().waiting, yes, std::memory_order_relaxed);
        if constexpr (!Fence::one_core) {
            Words::store(peer().wanted, yes, std::memory_order_relaxed);
        }
    }

    [[nodiscard]] std::byte* first_slot() const {
        return reinterpret_cast<std::byte*>(header_) + RUMPK_RING_HEADER_SIZE;
    }

    // Private memory of this end; nothing here is ever read back from the ring but at take_over.
    rumpk_ring_header* header_;
    [[no_unique_address]] Shape geometry_;
    uintptr_t lap_ = 0; // where the slot of message 0 would lie if all laps were in a row and this one here
    Standing standing_{0, Close::open};
    uint32_t high_water_ = 0;
    uint64_t waits_ = 0;
    uint64_t bells_ = 0;
    [[no_unique_address]] Fence fence_;
};

} // namespace ion
