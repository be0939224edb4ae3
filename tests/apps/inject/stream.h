// SPDX-License-Identifier: Apache-2.0
//
// The cell's ends of its boot rings, bare: a message in, a message out, and when each is handed over is the
// caller's. For the first fiber alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <nexus/meta.h>
#include <nexus/time.h>

#include "ion/ring.h"

class Stream {
  public:
    // What is published from now on waits until this end itself has to wait, or is dead.
    void be_quiet() { quiet_ = true; }

    Stream()
        : in_(at(RUMPK_RING_RX), geometry(RUMPK_RING_RX)), out_(at(RUMPK_RING_TX), geometry(RUMPK_RING_TX)) {}

    // The oldest message not released; waits for one. Another error than EAGAIN: the ring is wrong.
    [[nodiscard]] ion::Result<ion::Message> peek() {
        for (;;) {
            auto message = in_.peek();
            if (message || message.error() != ion::Errno::again) {
                return message;
            }
            wait(in_, [this] { return in_.empty(); });
        }
    }

    void release() {
        ++released_;
        (void)in_.release();
        if (in_.peer_waiting()) {
            ring();
        }
    }

    // One message of standard output; waits for room. False: the ring takes no more.
    bool publish(std::span<const std::byte> bytes) {
        for (;;) {
            const auto room = out_.claim();
            if (room) {
                std::memcpy(room->payload.data(), bytes.data(), bytes.size());
                (void)out_.publish(RUMPK_TX_STDOUT, bytes.size());
                if (!quiet_ && out_.peer_waiting()) {
                    ring();
                }
                return true;
            }
            if (room.error() != ion::Errno::again) {
                return false;
            }
            wait(out_, [this] { return out_.full(); });
        }
    }

    // Works on with rings that may be anything, and never waits.
    void go_on() {
        constexpr char noise[] = "noise";
        (void)out_.push(RUMPK_TX_STDOUT, std::as_bytes(std::span(noise)));
        if (in_.peek()) {
            release();
        }
        ring();
    }

    // Where this end is: messages of that ring that it has seen, as far as it knows.
    [[nodiscard]] uint64_t position(rumpk_boot_ring which) const {
        return which == RUMPK_RING_RX ? released_ : which == RUMPK_RING_TX ? out_.position() : 0;
    }

    // Has the console taken all that was published?
    [[nodiscard]] bool sent() { return out_.free() == out_.geometry().slots(); }

    static void ring() { (void)nexus::call::yield(0, RUMPK_CHANNEL_CONSOLE, 0, RUMPK_YIELD_NOWAIT); }

    [[nodiscard]] static std::byte* at(rumpk_boot_ring which) {
        const uint64_t address =
            nexus::systable().ring[which].base + nexus::meta_self()->cell * RUMPK_WINDOW_SIZE;
        return reinterpret_cast<std::byte*>(static_cast<uintptr_t>(address));
    }
    [[nodiscard]] static ion::Geometry geometry(rumpk_boot_ring which) {
        return *ion::Geometry::make(nexus::systable().ring[which].slots,
                                    nexus::systable().ring[which].slot_size);
    }

  private:
    // Sleeps while there is nothing to do and the other side is there.
    template <class End, class Nothing>
    void wait(End& end, Nothing nothing) {
        if (quiet_) {
            ring();
        }
        end.arm();
        if (nothing() && end.peer_closed() == ion::Close::open) {
            (void)nexus::call::yield(RUMPK_CHANNEL_CONSOLE, 0, RUMPK_NEVER, 0);
        }
        end.disarm();
    }

    ion::Consumer in_;
    ion::Producer out_;
    uint64_t released_ = 0;
    bool quiet_ = false;
};
