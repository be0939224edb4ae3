// SPDX-License-Identifier: Apache-2.0
//
// The cell's end of the rx ring. A message is released when its last byte is consumed.
#pragma once

#include <algorithm>
#include <array>

#include "native/boot_ring.h"
#include "nexus/fiber.h"

namespace nexus::console {

class Input {
  public:
    [[nodiscard]] Result<std::span<const std::byte>> next(Instant deadline) {
        while (rest_.empty() && !ended_) {
            const auto found = ring_.end() != nullptr ? take() : ask();
            if (!found && found.error() == Errno::again) {
                flush(); // a prompt must be seen before its answer is waited for
                if (auto woken = wait(deadline); !woken) {
                    return error(woken.error());
                }
            } else if (!found) {
                return error(found.error());
            }
        }
        return rest_;
    }

    void consume(size_t bytes) {
        rest_ = rest_.subspan(std::min(bytes, rest_.size()));
        if (rest_.empty() && holding_) {
            holding_ = false;
            release();
        }
    }

    [[nodiscard]] Statistics statistics() const { return ring_.statistics(); }

  private:
    // Looks at the next message. EAGAIN: there is none.
    [[nodiscard]] Result<void> take() {
        const auto message = ring_.end()->peek();
        if (!message) {
            if (message.error() != Errno::pipe) {
                return error(message.error());
            }
            ended_ = true; // the console closed in an orderly way
            return {};
        }
        if (message->tag == RUMPK_RX_DATA && !message->payload.empty()) {
            rest_ = message->payload;
            holding_ = true;
            return {};
        }
        ended_ = message->tag == RUMPK_RX_END;
        release(); // and a tag that is not listed is ignored
        return {};
    }

    // The same by the call `read`, where the image has no ring.
    [[nodiscard]] Result<void> ask() {
        const auto size = call::read(RUMPK_FD_INPUT, fallback_);
        if (!size) {
            return error(size.error());
        }
        ended_ = *size == 0;
        rest_ = std::span(fallback_).first(*size);
        return {};
    }

    [[nodiscard]] Result<void> wait(Instant deadline) {
        if (ring_.end() != nullptr) {
            return ring_.wait(deadline, [this] { return ring_.end()->empty() && !closed(); });
        }
        const Instant present = now();
        if (deadline <= present) {
            return error(Errno::again);
        }
        const Instant next_look = std::min(deadline, present + detail::poll_interval);
        sleep_until(next_look);
        return {};
    }

    [[nodiscard]] bool closed() { return ring_.end()->peer_closed() != ion::Close::open; }

    void release() {
        (void)ring_.end()->release(); // it was peeked: this cannot fail
        ring_.ring_if_waiting();
    }

    detail::BootRing<ion::Consumer, RUMPK_RING_RX> ring_;
    std::span<const std::byte> rest_; // of the message at the ring's head
    bool holding_ = false;            // that message is peeked and not released
    bool ended_ = false;
    std::array<std::byte, 256> fallback_{};
};

} // namespace nexus::console
