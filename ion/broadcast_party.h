// SPDX-License-Identifier: Apache-2.0
//
// What the parties of a broadcast ring have in common: its shape, the pages, closing, parking and
// statistics. Use ion::BroadcastProducer and ion::BroadcastConsumer (ion/broadcast.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/broadcast.h"
#include "ion/endpoint.h"
#include "ion/geometry.h"

namespace ion {

// How a broadcast ring is cut. One that exists is valid.
class BroadcastShape {
  public:
    // consumers: 1..RUMPK_BROADCAST_MAX_CONSUMERS, else EINVAL.
    [[nodiscard]] static constexpr Result<BroadcastShape> make(Geometry geometry, uint32_t consumers) {
        if (consumers == 0 || consumers > RUMPK_BROADCAST_MAX_CONSUMERS) {
            return error(Errno::inval);
        }
        return BroadcastShape(geometry, consumers);
    }
    [[nodiscard]] static consteval BroadcastShape of(Geometry geometry, uint32_t consumers) {
        return *make(geometry, consumers);
    }

    [[nodiscard]] constexpr Geometry geometry() const { return geometry_; }
    [[nodiscard]] constexpr uint32_t consumers() const { return consumers_; }
    // Bit k for each consumer there is.
    [[nodiscard]] constexpr uint32_t everybody() const { return ~uint32_t{0} >> (32 - consumers_); }
    [[nodiscard]] constexpr uint64_t slots_offset() const {
        return (uint64_t{1} + consumers_) * RUMPK_BROADCAST_PAGE_SIZE;
    }
    [[nodiscard]] constexpr uint64_t bytes() const { return slots_offset() + geometry_.slots_bytes(); }

    constexpr bool operator==(const BroadcastShape&) const = default;

  private:
    constexpr BroadcastShape(Geometry geometry, uint32_t consumers)
        : geometry_(geometry), consumers_(consumers) {}

    Geometry geometry_;
    uint32_t consumers_;
};

template <class Fence, class Words>
class BroadcastParty {
  public:
    [[nodiscard]] BroadcastShape shape() const { return shape_; }
    [[nodiscard]] Close closed() const { return closed_; }
    [[nodiscard]] uint32_t epoch() const { return epoch_; }

    // Parking, as in ion/endpoint.h: arm(); look again; sleep; disarm().
    void arm() {
        // relaxed: the fence that follows orders it before the second look.
        Words::store(own_->waiting, uint32_t{1}, std::memory_order_relaxed);
        fence_.heavy();
    }
    void disarm() { Words::store(own_->waiting, uint32_t{0}, std::memory_order_relaxed); }

    // After publish, release or close: who wants a bell? Bit k for consumer k.
    [[nodiscard]] uint32_t consumers_waiting() const {
        fence_.light(); // what was written comes before these reads; pairs with arm()
        uint32_t sleepers = 0;
        for (uint32_t k = 0; k < shape_.consumers(); ++k) {
            if (Words::load(page(1 + k).waiting, std::memory_order_relaxed) != 0) {
                sleepers |= uint32_t{1} << k;
            }
        }
        return sleepers;
    }

    void count_wait() { Words::store(own_->waits, ++waits_, std::memory_order_relaxed); }
    void count_bell() { Words::store(own_->bells, ++bells_, std::memory_order_relaxed); }
    [[nodiscard]] uint64_t waits() const { return waits_; }
    [[nodiscard]] uint64_t bells() const { return bells_; }

  protected:
    BroadcastParty(void* base, BroadcastShape shape, uint32_t number, Fence fence)
        : base_(static_cast<std::byte*>(base)), shape_(shape), fence_(fence) {
        own_ = &page(number);
        epoch_ = Words::load(own_->epoch, std::memory_order_relaxed);
    }

    // Number 0 is the producer's, 1 + k consumer k's.
    [[nodiscard]] rumpk_broadcast_page& page(uint32_t number) const {
        return *reinterpret_cast<rumpk_broadcast_page*>(base_ + number * uint64_t{RUMPK_BROADCAST_PAGE_SIZE});
    }

    [[nodiscard]] std::byte* slots() const { return base_ + shape_.slots_offset(); }

    // In bounds for any position.
    [[nodiscard]] rumpk_slot_header& slot(uint64_t position) const {
        const uint64_t index = static_cast<uint32_t>(position) & (shape_.geometry().slots() - 1);
        return *reinterpret_cast<rumpk_slot_header*>(slots() + index * shape_.geometry().slot_size());
    }

    // acquire: pairs with the release in BasicBroadcastProducer::publish. Without it the message may be
    // read from before it was written.
    [[nodiscard]] bool committed(uint64_t position) const {
        return Words::load(slot(position).sequence, std::memory_order_acquire) ==
               static_cast<uint32_t>(position + 1);
    }

    void shut(Close reason) {
        if (reason == Close::open || closed_ != Close::open) {
            return;
        }
        closed_ = reason;
        // release: who sees `closed` sees all that was published before (pairs with the acquire in
        // BasicBroadcastConsumer::nothing).
        Words::store(own_->closed, static_cast<uint32_t>(reason), std::memory_order_release);
    }

    [[nodiscard]] Errno why_closed() const { return closed_ == Close::broken ? Errno::io : Errno::pipe; }

    // A successor takes over: statistics go on, the wish for a bell does not.
    void take_over() {
        waits_ = Words::load(own_->waits, std::memory_order_relaxed);
        bells_ = Words::load(own_->bells, std::memory_order_relaxed);
        Words::store(own_->waiting, uint32_t{0}, std::memory_order_relaxed);
        Words::store(own_->epoch, ++epoch_, std::memory_order_release);
    }

    [[nodiscard]] const Fence& fence() const { return fence_; }

    rumpk_broadcast_page* own_;

  private:
    std::byte* base_;
    BroadcastShape shape_;
    uint32_t epoch_ = 0;
    Close closed_ = Close::open;
    uint64_t waits_ = 0;
    uint64_t bells_ = 0;
    [[no_unique_address]] Fence fence_;
};

} // namespace ion
