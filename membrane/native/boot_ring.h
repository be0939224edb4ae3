// SPDX-License-Identifier: Apache-2.0
//
// What both directions of the console share: finding the cell's boot ring, and sleeping on it.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>

#include "ion/ring.h"
#include "nexus/console.h"
#include "start/process.h"

namespace nexus::detail {

// The cell's end of a boot ring; empty where the image has none. Made at first use.
template <class End, rumpk_boot_ring which>
class BootRing {
  public:
    // nullptr: this image has no such ring, use the calls read and write.
    [[nodiscard]] End* end() {
        if (!looked_) {
            looked_ = true;
            open();
        }
        return end_ ? &*end_ : nullptr;
    }

    // Sleeps until the other side has worked or the deadline has passed. `still_none` is the second
    // look (ion/endpoint.h): it says whether there is still nothing to do. EAGAIN: the deadline had
    // passed before; ETIMEDOUT.
    template <class Look>
    [[nodiscard]] Result<void> wait(Instant deadline, Look still_none) {
        if (deadline != never && deadline <= now()) {
            return error(Errno::again);
        }
        end_->arm();
        ++waiters_;
        Result<void> outcome{};
        if (still_none()) {
            end_->count_wait();
            if (auto woken = call::yield(RUMPK_CHANNEL_CONSOLE, 0, deadline_of(deadline), 0); !woken) {
                outcome = error(woken.error());
            }
        }
        if (--waiters_ == 0) { // another fiber may still sleep here and need the bell
            end_->disarm();
        }
        return outcome;
    }

    // After publish or release.
    void ring_if_waiting() {
        if (end_->peer_waiting()) {
            end_->count_bell();
            // The console channel is ours and NOWAIT waits for nothing: this cannot fail.
            (void)call::yield(0, RUMPK_CHANNEL_CONSOLE, 0, RUMPK_YIELD_NOWAIT);
        }
    }

    [[nodiscard]] console::Statistics statistics() const {
        const rumpk_ring_descriptor& ring = systable().ring[which];
        console::Statistics answer{ring.slots, ring.slot_size, {}, {}};
        if (ring.base == 0) {
            return {};
        }
        // A snapshot for people: each side goes on writing its own line.
        std::atomic_signal_fence(std::memory_order_seq_cst);
        const auto* header = static_cast<const rumpk_ring_header*>(base());
        std::memcpy(&answer.producer, &header->producer, sizeof answer.producer);
        std::memcpy(&answer.consumer, &header->consumer, sizeof answer.consumer);
        // A producer tells its position late: it is at least where the consumer is, and our own we know.
        if (std::is_same_v<End, ion::Producer> && end_) {
            answer.producer.position = end_->position();
        } else if (answer.producer.position < answer.consumer.position) {
            answer.producer.position = answer.consumer.position;
        }
        return answer;
    }

  private:
    // The table says where cell A's stands; every window has its own at the same place.
    [[nodiscard]] void* base() const {
        const uint64_t address = systable().ring[which].base + process.self.cell * RUMPK_WINDOW_SIZE;
        return reinterpret_cast<void*>(static_cast<uintptr_t>(address));
    }

    void open() {
        const rumpk_ring_descriptor& ring = systable().ring[which];
        const auto geometry = ion::Geometry::make(ring.slots, ring.slot_size);
        if (ring.base != 0 && geometry) {
            end_.emplace(base(), *geometry);
        }
    }

    bool looked_ = false;
    uint32_t waiters_ = 0; // fibers asleep in wait()
    std::optional<End> end_;
};

// Where there is no ring, the console is asked again after this long.
inline constexpr Duration poll_interval = std::chrono::milliseconds(1);

} // namespace nexus::detail
