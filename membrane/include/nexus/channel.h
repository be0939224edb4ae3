// SPDX-License-Identifier: Apache-2.0
//
// Typed channels between two fibers of a cell, over ION rings: one sends, one receives, in order;
// nothing is copied but the value itself, nothing allocated, no call made while neither side sleeps.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include "ion/ring.h"
#include "nexus/fiber.h"

namespace nexus {

namespace detail {
struct ChannelAccess;
struct Parked;
template <class T, uint32_t N>
struct Receive;
template <class T, uint32_t N>
struct Send;

// Rings the fiber at the other end. Not into its callers: most messages find nobody asleep.
template <class End>
[[gnu::noinline]] void ring_other(End& end, const std::atomic<uint64_t>& other) {
    end.count_bell();
    const uint64_t fiber = other.load(std::memory_order_relaxed);
    // ESRCH: it was killed in its sleep; nobody needs the bell.
    (void)call::yield(0, 0, 0, RUMPK_YIELD_NOWAIT, std::span(&fiber, 1));
}

// The same after publish, release or close, if it sleeps.
template <class End>
void ring_if_waiting(End& end, const std::atomic<uint64_t>& other) {
    if (end.peer_waiting()) {
        ring_other(end, other);
    }
}

} // namespace detail

template <class S, uint32_t N, class R, uint32_t M>
class dialogue;

// What a channel or a ring has seen so far, for people.
struct RingStatistics {
    uint32_t high_water = 0; // most messages this side saw outstanding, when it looked
    uint64_t waits = 0;      // how often it found nothing to do and slept
    uint64_t bells = 0;      // how often it rang the other side
};

namespace detail {
template <class End>
[[nodiscard]] RingStatistics statistics_of(const End& end) {
    return {end.high_water(), end.waits(), end.bells()};
}

// A ring's words where both its ends are on one core, which sees its own loads and stores in their order: the
// compiler alone is held back, as by ion::SameCore.
struct OneCoreWords {
    template <class W>
    [[gnu::always_inline]] static W load(const W& word, std::memory_order order) {
        const W value = ion::AtomicWords::load(word, std::memory_order_relaxed);
        std::atomic_signal_fence(order);
        return value;
    }
    template <class W>
    [[gnu::always_inline]] static void store(W& word, W value, std::memory_order order) {
        std::atomic_signal_fence(order);
        ion::AtomicWords::store(word, value, std::memory_order_relaxed);
    }
};
} // namespace detail

// N values of T at most are under way: N a power of two. T moves into a slot and out of it, and
// neither may fail. One fiber sends, another receives, of any tiers of one core; both may be bare if
// moving T needs nothing. The channel outlives their use of it.
template <class T, uint32_t N>
class channel {
    static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>);
    static_assert(alignof(T) <= RUMPK_SLOT_HEADER_SIZE, "a slot's payload is 16-byte aligned");

    static constexpr uint64_t payload_size = (sizeof(T) + 15) / 16 * 16;
    using Shape = ion::FixedGeometry<N, RUMPK_SLOT_HEADER_SIZE + payload_size>;

  public:
    class Batch;

    channel() : producer_(format(memory_)), consumer_(memory_) {}
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;

    // Values not received are destroyed.
    ~channel() {
        while (try_receive()) {
        }
    }

    // Waits for room until the deadline, then moves the value in; without success the value stays as
    // it was. ETIMEDOUT; EAGAIN: the deadline had passed before and there is no room; EPIPE: the channel
    // is closed.
    [[nodiscard]] Result<void> send(T&& value, Instant deadline = never) {
        return until(
            producer_, sender_, deadline, [&] { return offer(value); }, [this] { return no_room(); });
    }
    [[nodiscard]] Result<void> send(const T& value, Instant deadline = never) {
        return send(T(value), deadline);
    }

    // The same without waiting: EAGAIN.
    [[nodiscard]] Result<void> try_send(T&& value) { return offer(value); }
    [[nodiscard]] Result<void> try_send(const T& value) { return try_send(T(value)); }

    // Waits for a value until the deadline. ETIMEDOUT; EAGAIN: the deadline had passed before and there is
    // none; EPIPE: none, and the channel is closed.
    [[nodiscard]] Result<T> receive(Instant deadline = never) {
        return until(
            consumer_, receiver_, deadline, [this] { return try_receive(); },
            [this] { return nothing_to_receive(); });
    }

    // The same without waiting: EAGAIN.
    [[nodiscard]] Result<T> try_receive() {
        Room room;
        const Result<bool> wants_bell = take(room);
        if (!wants_bell) {
            return error(wants_bell.error());
        }
        if (*wants_bell) {
            detail::ring_other(consumer_, sender_);
        }
        return out_of(room);
    }

    // Waits for a value until the deadline, then takes as many as are there, up to `most`, where they lie:
    // for (T& value : *batch). All of them are destroyed when the batch goes, looked at or not, and the
    // sender hears of the room once. Nothing else is received until then. Errors as receive; EINVAL: 0.
    [[nodiscard]] Result<Batch> receive_some(uint32_t most, Instant deadline = never) {
        return until(
            consumer_, receiver_, deadline, [this, most] { return try_receive_some(most); },
            [this] { return nothing_to_receive(); });
    }

    // The same without waiting: EAGAIN.
    [[nodiscard]] Result<Batch> try_receive_some(uint32_t most) {
        auto messages = consumer_.peek(most);
        if (!messages) {
            return error(messages.error());
        }
        return Batch(*this, *messages);
    }

    // By the sender: nothing more will come. What was sent can still be received, then receive is EPIPE.
    void close() {
        producer_.close();
        detail::ring_if_waiting(producer_, receiver_);
    }

    // How often this side found the channel full (sender) or empty (receiver) and slept.
    [[nodiscard]] uint64_t send_waits() const { return producer_.waits(); }
    [[nodiscard]] uint64_t receive_waits() const { return consumer_.waits(); }

    // Each side's own counters; to be asked for by that side.
    [[nodiscard]] RingStatistics send_statistics() const { return detail::statistics_of(producer_); }
    [[nodiscard]] RingStatistics receive_statistics() const { return detail::statistics_of(consumer_); }

  private:
    // Tasks (nexus/task.h) wait in their own way.
    friend struct detail::ChannelAccess;
    friend struct detail::Receive<T, N>;
    friend struct detail::Send<T, N>;
    template <class, uint32_t, class, uint32_t>
    friend class dialogue;

    [[nodiscard]] static void* format(std::byte (&memory)[Shape::bytes()]) {
        (void)ion::format_alike(memory, Shape{}, 0,
                                sizeof(T)); // aligned and large enough by type: cannot fail
        return memory;
    }

    [[nodiscard]] bool no_room() { return producer_.full() && producer_.closed() == ion::Close::open; }
    [[nodiscard]] bool nothing_to_receive() {
        return consumer_.empty() && consumer_.peer_closed() == ion::Close::open;
    }

    // For a value that may come. Not a Result that is an error until then: as the error's number stands in
    // the value's place, compilers move values in pieces that no store buffer forwards.
    union Room {
        Room() {}
        ~Room() {}
        T value;
    };

    // A slot's payload is this channel's own memory, and the value in it the receiver's to change.
    [[nodiscard]] static T* stored_in(std::byte* payload) {
        return std::launder(reinterpret_cast<T*>(payload));
    }
    [[nodiscard]] static T* stored_in(const ion::Message& message) {
        return stored_in(const_cast<std::byte*>(message.payload.data()));
    }

    // Moves the oldest value out of its slot. True: the sender wants a bell. EAGAIN, EPIPE. Into its callers,
    // as `place`: the way of every message, and shorter there than what a call saves and restores.
    [[nodiscard, gnu::always_inline]] Result<bool> take(Room& room) {
        return consumer_.consume_alike([&room](std::byte* payload) {
            T* const stored = stored_in(payload);
            std::construct_at(&room.value, std::move(*stored));
            std::destroy_at(stored);
        });
    }
    [[nodiscard, gnu::always_inline]] static Result<T> out_of(Room& room) {
        Result<T> value(std::move(room.value));
        std::destroy_at(&room.value);
        return value;
    }

    // Moves the value into a slot, or leaves it alone. True: the receiver wants a bell. EAGAIN, EPIPE.
    [[nodiscard, gnu::always_inline]] Result<bool> place(T& value) {
        return producer_.produce_alike([&value](std::byte* payload) { ::new (payload) T(std::move(value)); });
    }

    [[nodiscard]] Result<void> offer(T& value) {
        const Result<bool> placed = place(value);
        if (!placed) {
            return error(placed.error());
        }
        if (*placed) {
            detail::ring_other(producer_, receiver_);
        }
        return {};
    }

    // Tries, and sleeps in between while `look` says so, until something else than EAGAIN comes or the
    // deadline has passed.
    template <class End, class Try, class Look>
    [[nodiscard]] static std::invoke_result_t<Try> until(End& end, std::atomic<uint64_t>& me,
                                                         Instant deadline, Try attempt, Look look) {
        Result<void> woken{};
        for (Errno late = Errno::again;; late = Errno::timedout) {
            auto outcome = attempt(); // also after the deadline: it may succeed by now
            if (outcome || outcome.error() != Errno::again) {
                return outcome;
            }
            if (!woken) {
                return error(woken.error());
            }
            woken = wait(end, me, deadline, late, look);
        }
    }

    // `late`: what it is if the deadline has passed already.
    template <class End, class Look>
    [[nodiscard]] static Result<void> wait(End& end, std::atomic<uint64_t>& me, Instant deadline, Errno late,
                                           Look look) {
        if (deadline != never && deadline <= now()) {
            return error(late);
        }
        Result<void> outcome{};
        arm(end, me, self());
        if (look()) { // the second look; see ion/endpoint.h
            end.count_wait();
            if (auto woken = call::yield(RUMPK_CHANNEL_RX, 0, deadline_of(deadline), 0); !woken) {
                outcome = error(woken.error());
            }
        }
        end.disarm();
        return outcome;
    }

    // Says who sleeps before it says that someone does: whoever reads `waiting` finds the id.
    template <class End>
    static void arm(End& end, std::atomic<uint64_t>& me, FiberId caller) {
        me.store(static_cast<uint64_t>(caller), std::memory_order_relaxed);
        end.arm();
    }

    alignas(RUMPK_RING_LINE_SIZE) std::byte memory_[Shape::bytes()];
    ion::BasicProducer<ion::SameCore, detail::OneCoreWords, Shape> producer_; // touched by the sender alone
    ion::BasicConsumer<ion::SameCore, detail::OneCoreWords, Shape> consumer_; // touched by the receiver alone
    std::atomic<uint64_t> sender_{0};   // the fiber to ring when there is room
    std::atomic<uint64_t> receiver_{0}; // the fiber to ring when there is a value
    // A task that waits, for tasks of the same fiber.
    detail::Parked* sending_ = nullptr;   // written by the sender
    detail::Parked* receiving_ = nullptr; // written by the receiver
};

// Values in a row, where they lie. Moves only; the channel outlives it.
template <class T, uint32_t N>
class channel<T, N>::Batch {
    using Messages = ion::MessageBatch<detail::OneCoreWords>;

  public:
    class Iterator {
      public:
        T& operator*() const { return *stored_in(*at_); }
        Iterator& operator++() {
            ++at_;
            return *this;
        }
        bool operator==(const Iterator&) const = default;

      private:
        friend class Batch;
        explicit Iterator(Messages::Iterator at) : at_(at) {}
        Messages::Iterator at_;
    };

    Batch(Batch&& other) noexcept
        : channel_(std::exchange(other.channel_, nullptr)), messages_(other.messages_) {}
    Batch& operator=(Batch&&) = delete;
    ~Batch() {
        if (channel_ == nullptr) {
            return;
        }
        for (T& value : *this) {
            std::destroy_at(&value);
        }
        (void)channel_->consumer_.release(messages_.size()); // peeked: cannot fail
        detail::ring_if_waiting(channel_->consumer_, channel_->sender_);
    }

    [[nodiscard]] uint32_t size() const { return messages_.size(); }
    [[nodiscard]] T& operator[](uint32_t i) const { return *stored_in(messages_[i]); }
    [[nodiscard]] Iterator begin() const { return Iterator(messages_.begin()); }
    [[nodiscard]] Iterator end() const { return Iterator(messages_.end()); }

  private:
    friend class channel;
    Batch(channel& from, Messages messages) : channel_(&from), messages_(messages) {}

    channel* channel_;
    Messages messages_;
};

} // namespace nexus
