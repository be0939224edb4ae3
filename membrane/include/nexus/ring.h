// SPDX-License-Identifier: Apache-2.0
//
// Typed ends of a ring that somebody else has the other end of: a fiber's own rx and tx, or those of a fiber
// that one has spawned. What comes through is a stranger's: values are bytes, copied before they are looked
// at, and one of the wrong length closes the ring. Between two fibers that trust each other, see
// nexus/channel.h, which moves any type.
#pragma once

#include <cstring>
#include <span>
#include <type_traits>

#include "ion/ring.h"
#include "nexus/channel.h"
#include "nexus/fiber.h"
#include "nexus/meta.h"

namespace nexus {

namespace detail {
void breathe(); // tells the core that it waits for another: for some cycles it does nothing
}

// The heavy barrier of a side that parks where the other one runs on another core: the kernel makes every
// core pass one.
struct AllCores {
    void operator()() const { (void)call::yield(0, 0, 0, RUMPK_YIELD_NOWAIT | RUMPK_YIELD_BARRIER); }
    void relax() const { detail::breathe(); }
};
using AcrossCores = ion::CrossCore<AllCores>;

// What a side does before it parks: looks again this often, then gives up its turn this often and looks.
// Worth it where the other side is at work on another core and a message is nearer than a bell.
struct RingPatience {
    uint32_t looks = 0;
    uint32_t turns = 0;
};

// How the two sides of a ring wake each other.
struct RingBell {
    uint64_t wait;     // channels that end a wait: RUMPK_CHANNEL_RX, ...
    uint64_t bell;     // channels to ring, 0 where a fiber is rung by its id
    uint64_t peer = 0; // that id, with RUMPK_PEER_TX where its second channel is meant

    // Of this fiber's own rx or tx: the other side is who spawned it.
    [[nodiscard]] static RingBell of_own(RingEnd end) {
        const uint64_t channel = end == RingEnd::rx ? RUMPK_CHANNEL_RX : RUMPK_CHANNEL_TX;
        return {channel, channel, 0};
    }
};

// Fence: who the other side is. ion::SameCore: a fiber of this core; AcrossCores: one of another core, who
// says so, too. Shape: an ion::FixedGeometry where the program knows how the ring is cut, and no other is
// opened.
template <class T, class Fence = ion::SameCore, class Shape = ion::Geometry>
struct ring {
    static_assert(std::is_trivially_copyable_v<T>, "a stranger's bytes can be no more");

    class sender;
    class receiver;

  private:
    // What both ends have: opening, waiting and ringing.
    template <class End>
    class Side {
      public:
        // EINVAL: no ring is cut so, or this one is not, or T does not fit into its slots.
        [[nodiscard]] static Result<End> open(const rumpk_ring_descriptor& where, RingBell bell,
                                              RingPatience patience = {}) {
            const auto geometry = shape_of(where);
            if (!geometry) {
                return error(geometry.error());
            }
            End end(address_of(where), *geometry, bell);
            end.patience_ = patience;
            return end;
        }
        // Goes on where a predecessor stopped, if there was one. EINVAL as above; EPIPE: it had closed the
        // ring; EIO: what it left is impossible.
        [[nodiscard]] static Result<End> resume(const rumpk_ring_descriptor& where, RingBell bell) {
            const auto geometry = shape_of(where);
            if (!geometry) {
                return error(geometry.error());
            }
            auto left = End::Ion::resume(address_of(where), *geometry);
            if (!left) {
                return error(left.error());
            }
            End end(*left, bell);
            end.ring_if_waiting(end.end_); // the predecessor may have died before it did
            return end;
        }

      protected:
        explicit Side(RingBell bell) : bell_(bell) {}

        // Tries, and sleeps in between, until something else than EAGAIN comes or the deadline has passed.
        template <class Ion, class Try>
        [[nodiscard]] auto until(Ion& end, Instant deadline, Try attempt) {
            auto outcome = attempt();
            for (uint32_t i = 0; i < patience_.looks + patience_.turns && empty_handed(outcome); ++i) {
                if (i >= patience_.looks) {
                    (void)call::yield(0, 0, 0, 0);
                }
                outcome = attempt();
            }
            for (Errno late = Errno::again; empty_handed(outcome); late = Errno::timedout) {
                if (deadline != never && deadline <= now()) {
                    outcome = error(late);
                    return outcome;
                }
                end.arm();
                outcome = attempt(); // the second look; see ion/endpoint.h
                if (empty_handed(outcome)) {
                    end.count_wait();
                    const auto woken = call::yield(bell_.wait, 0, deadline_of(deadline), 0);
                    outcome = attempt(); // also after the deadline: there may be something by now
                    if (empty_handed(outcome) && !woken) {
                        outcome = error(woken.error());
                    }
                }
                end.disarm();
            }
            return outcome;
        }

        template <class Ion>
        void ring_if_waiting(Ion& end) const {
            if (end.peer_waiting()) {
                ring_other(end);
            }
        }
        template <class Ion>
        void ring_other(Ion& end) const {
            end.count_bell();
            const std::span<const uint64_t> peers(&bell_.peer, bell_.peer == 0 ? 0 : 1);
            // ESRCH: the other side is gone; nobody needs the bell.
            (void)call::yield(0, bell_.bell, 0, RUMPK_YIELD_NOWAIT, peers);
        }

        [[nodiscard]] const RingBell& bell() const { return bell_; }

      private:
        template <class Outcome>
        [[nodiscard]] static bool empty_handed(const Outcome& outcome) {
            return !outcome && outcome.error() == Errno::again;
        }
        [[nodiscard]] static Result<Shape> shape_of(const rumpk_ring_descriptor& where) {
            const auto geometry = ion::Geometry::make(where.slots, where.slot_size);
            if (where.base == 0 || !geometry || geometry->capacity() < sizeof(T)) {
                return error(Errno::inval);
            }
            if constexpr (std::is_same_v<Shape, ion::Geometry>) {
                return *geometry;
            } else {
                return *geometry == Shape{} ? Result<Shape>(Shape{}) : error(Errno::inval);
            }
        }
        [[nodiscard]] static void* address_of(const rumpk_ring_descriptor& where) {
            return reinterpret_cast<void*>(static_cast<uintptr_t>(where.base));
        }

        RingBell bell_;
        RingPatience patience_;
    };
};

template <class T, class Fence, class Shape>
class ring<T, Fence, Shape>::sender : public Side<sender> {
    using Base = Side<sender>;

  public:
    // Waits for room until the deadline. ETIMEDOUT; EAGAIN: the deadline had passed before; EPIPE: closed;
    // EIO: the other side lied.
    [[nodiscard]] Result<void> send(const T& value, Instant deadline = never) {
        return this->until(end_, deadline, [&] { return try_send(value); });
    }
    // The same without waiting: EAGAIN.
    [[nodiscard]] Result<void> try_send(const T& value) {
        const auto sent =
            end_.produce(0, sizeof(T), [&](std::byte* payload) { std::memcpy(payload, &value, sizeof(T)); });
        if (!sent) {
            return error(sent.error());
        }
        if (*sent) {
            this->ring_other(end_);
        }
        return {};
    }
    void close() {
        end_.close();
        this->ring_if_waiting(end_);
    }
    [[nodiscard]] RingStatistics statistics() const { return detail::statistics_of(end_); }

    // For whoever waits for several things at once: the channels that are rung, and the end itself.
    [[nodiscard]] uint64_t wait_channels() const { return this->bell().wait; }
    [[nodiscard]] ion::BasicProducer<Fence, ion::AtomicWords, Shape>& end() { return end_; }

  private:
    friend Base;
    using Ion = ion::BasicProducer<Fence, ion::AtomicWords, Shape>;
    sender(void* base, Shape geometry, RingBell bell) : Base(bell), end_(base, geometry) {}
    sender(const Ion& end, RingBell bell) : Base(bell), end_(end) {}
    Ion end_;
};

template <class T, class Fence, class Shape>
class ring<T, Fence, Shape>::receiver : public Side<receiver> {
    using Base = Side<receiver>;

  public:
    // Waits for a value until the deadline. As send; EIO also: a message was no T.
    [[nodiscard]] Result<T> receive(Instant deadline = never) {
        return this->until(end_, deadline, [&] { return try_receive(); });
    }
    // The same without waiting: EAGAIN.
    [[nodiscard]] Result<T> try_receive() {
        T value;
        const auto got = end_.consume([&](std::span<const std::byte> payload) {
            if (payload.size() == sizeof(T)) {
                std::memcpy(&value, payload.data(), sizeof(T));
            } else {
                end_.close(ion::Close::broken);
            }
        });
        if (!got) {
            return error(got.error());
        }
        if (*got) {
            this->ring_other(end_);
        }
        if (end_.closed() != ion::Close::open) {
            return error(Errno::io);
        }
        return value;
    }
    // As many as are there and fit, at least one: Result of those, in the memory that was given.
    [[nodiscard]] Result<std::span<T>> receive_some(std::span<T> into, Instant deadline = never) {
        return this->until(end_, deadline, [&] { return try_receive_some(into); });
    }
    [[nodiscard]] Result<std::span<T>> try_receive_some(std::span<T> into) {
        const auto most = into.size() < ~uint32_t{0} ? static_cast<uint32_t>(into.size()) : ~uint32_t{0};
        auto messages = end_.peek(most);
        if (!messages) {
            return error(messages.error());
        }
        uint32_t count = 0;
        for (const ion::Message message : *messages) {
            if (message.payload.size() != sizeof(T)) {
                break;
            }
            std::memcpy(&into[count++], message.payload.data(), sizeof(T));
        }
        (void)end_.release(count); // peeked: cannot fail
        if (count == 0) {
            end_.close(ion::Close::broken);
        }
        this->ring_if_waiting(end_);
        return count == 0 ? Result<std::span<T>>(error(Errno::io)) : into.first(count);
    }
    // Nothing more is received: what is in the ring is lost, and the sender is told.
    void close() {
        end_.close();
        this->ring_if_waiting(end_);
    }
    [[nodiscard]] RingStatistics statistics() const { return detail::statistics_of(end_); }

    [[nodiscard]] uint64_t wait_channels() const { return this->bell().wait; }
    [[nodiscard]] ion::BasicConsumer<Fence, ion::AtomicWords, Shape>& end() { return end_; }

  private:
    friend Base;
    using Ion = ion::BasicConsumer<Fence, ion::AtomicWords, Shape>;
    receiver(void* base, Shape geometry, RingBell bell) : Base(bell), end_(base, geometry) {}
    receiver(const Ion& end, RingBell bell) : Base(bell), end_(end) {}
    Ion end_;
};

} // namespace nexus
