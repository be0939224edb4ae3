// SPDX-License-Identifier: Apache-2.0
//
// The cell's end of the tx ring. Its next slot is at once the buffer of stdio: bytes are collected
// there and the slot is published when it is full, at flush, or when the other stream takes over.
//
// Several fibers of the home tier may write. No state is held across a wait: whoever wakes looks at
// everything afresh, for another fiber may have used the slot meanwhile.
#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include "native/boot_ring.h"

namespace nexus::console {

class Output {
  public:
    // `whole`: bytes that are to stay together if a slot can hold them; one byte of room is all that is
    // promised.
    [[nodiscard]] Result<std::span<std::byte>> room(Stream stream, Instant deadline, size_t whole = 1) {
        while (true) {
            const bool fits_elsewhere = slot_.size() - used_ < whole && whole <= slot_.size();
            if (used_ > 0 && (stream_ != stream || fits_elsewhere)) {
                publish();
            }
            if (used_ == 0) {
                auto slot = claim();
                if (!slot && slot.error() == Errno::again) {
                    if (auto woken = wait(deadline); !woken) {
                        return error(woken.error());
                    }
                    continue;
                }
                if (!slot) {
                    return error(slot.error());
                }
                slot_ = *slot;
                stream_ = stream;
            }
            return slot_.subspan(used_);
        }
    }

    void commit(size_t bytes) {
        used_ += std::min(bytes, slot_.size() - used_);
        if (used_ > 0 && used_ == slot_.size()) {
            publish();
        }
    }

    void flush() {
        if (used_ > 0) {
            publish();
        }
    }

    [[nodiscard]] Statistics statistics() const { return ring_.statistics(); }

  private:
    [[nodiscard]] Result<std::span<std::byte>> claim() {
        if (auto* producer = ring_.end()) {
            auto slot = producer->claim();
            if (!slot) {
                return error(slot.error());
            }
            return slot->payload;
        }
        return std::span<std::byte>(fallback_);
    }

    [[nodiscard]] Result<void> wait(Instant deadline) {
        return ring_.wait(deadline, [this] {
            const auto slot = claim();
            return !slot && slot.error() == Errno::again;
        });
    }

    void publish() {
        const size_t length = std::exchange(used_, 0);
        slot_ = {};
        auto* producer = ring_.end();
        if (producer == nullptr) {
            // The call takes all of it: a slot's worth is far below its limit.
            (void)call::write(RUMPK_FD_OUTPUT, std::span(fallback_).first(length));
            return;
        }
        // The slot was claimed and its length checked: this cannot fail.
        (void)producer->publish(static_cast<uint32_t>(stream_), length);
        ring_.ring_if_waiting();
    }

    detail::BootRing<ion::Producer, RUMPK_RING_TX> ring_;
    Stream stream_{};                       // of the bytes in slot_
    std::span<std::byte> slot_;             // the claimed slot's payload, while used_ > 0
    size_t used_ = 0;                       // bytes collected there
    std::array<std::byte, 256> fallback_{}; // the slot, where the image has no ring
};

} // namespace nexus::console
