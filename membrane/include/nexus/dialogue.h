// SPDX-License-Identifier: Apache-2.0
//
// Request and answer over two channels. Who sends and then waits makes one call of the two: the bell for
// the other side and the wait for what it says.
//
//      nexus::dialogue asks(requests, answers);              nexus::dialogue serves(answers, requests);
//      auto answer = asks.exchange(request);                 auto request = requests.receive();
//                                                            while (request) {
//                                                                request =
//                                                                serves.exchange(answer_to(*request));
//                                                            }
#pragma once

#include "nexus/channel.h"

namespace nexus {

// One fiber's side: it sends over `out` and receives over `in`, and made this object. What one dialogue does
// and what the channels' own functions do can be mixed. The channels outlive it. It is quickest on that
// fiber's own stack, where the kernel finds at once whom to ring. [bare, as the channels]
//
// Who waits for an answer ends its turn first: an other side that is ready answers in its own, and nobody has
// slept, so nobody is rung. It parks when that turn has brought nothing, and at once where it seldom does or
// the other side sleeps already: a bell and a wait are one call then.
template <class S, uint32_t N, class R, uint32_t M>
class dialogue {
  public:
    dialogue(channel<S, N>& out, channel<R, M>& in) : out_(out), in_(in), self_(self()) {}
    dialogue(const dialogue&) = delete;
    dialogue& operator=(const dialogue&) = delete;

    // Sends, then waits for a value until the deadline: send and receive, with their errors. A value
    // that was moved from has been sent; what comes back later can still be received.
    [[nodiscard, gnu::always_inline]] Result<R> exchange(S&& value, Instant deadline = never) {
        if constexpr (sizeof(R) <= in_registers) {
            return exchange_here(std::move(value), deadline);
        } else {
            return exchange_apart(std::move(value), deadline);
        }
    }
    [[nodiscard, gnu::always_inline]] Result<R> exchange(const S& value, Instant deadline = never) {
        return exchange(S(value), deadline);
    }

  private:
    using Room = typename channel<R, M>::Room;

    static constexpr size_t in_registers = 2 * sizeof(uint64_t);
    static constexpr uint32_t parks_after_vain_turn = 16;
    static constexpr uint32_t parks_between_tries = 64;

    // Into its callers where a Result<R> needs no memory there.
    [[nodiscard, gnu::always_inline]] Result<R> exchange_here(S&& value, Instant deadline) {
        Room late;
        Result<void> came{};
        if (deadline != never) [[unlikely]] {
            came = exchange_slowly(late, value, deadline);
        } else if (const Result<bool> wants_bell = out_.place(value); !wants_bell) [[unlikely]] {
            came = exchange_slowly(late, value, never); // full, or closed
        } else if (*wants_bell || vain_ != 0) [[unlikely]] {
            came = receive_parked(late, *wants_bell);
        } else {
            yield();
            Room room; // another than `late`, whose address others have: this one may be a register
            if (take(room)) [[likely]] {
                return in_.out_of(room);
            }
            vain_ = parks_after_vain_turn;
            came = wait_into(late, never);
        }
        if (!came) {
            return error(came.error());
        }
        return in_.out_of(late);
    }
    // With a memory for it that nobody takes apart: what was written in other pieces than it is read in is
    // not forwarded by store buffers.
    [[nodiscard, gnu::noinline]] Result<R> exchange_apart(S&& value, Instant deadline) {
        return exchange_here(std::move(value), deadline);
    }

    [[nodiscard, gnu::always_inline]] Result<void> exchange_slowly(Room& room, S& value, Instant deadline) {
        if constexpr (std::is_trivially_copyable_v<S>) {
            S copy(value); // whose address others have: `value` may be a register
            return exchange_until(room, std::move(copy), deadline);
        } else {
            return exchange_until(room, std::move(value), deadline);
        }
    }
    [[nodiscard, gnu::noinline]] Result<void> exchange_until(Room& room, S&& value, Instant deadline) {
        if (const auto sent = out_.send(std::move(value), deadline); !sent) {
            return sent;
        }
        return receive_into(room, deadline);
    }

    // The value is sent, and the other side sleeps or is not expected to answer in a turn. A pair that has
    // begun to park would do so for ever, as each finds the other asleep: so now and then one rings and ends
    // its turn instead, and the other, who then finds nobody asleep, does so, too.
    [[nodiscard, gnu::noinline]] Result<void> receive_parked(Room& room, bool wants_bell) {
        if (vain_ != 0) {
            --vain_;
        }
        if (wants_bell) {
            if (parks_ != 0) {
                --parks_;
                ring_and_wait(out_, in_);
            } else {
                parks_ = parks_between_tries;
                detail::ring_other(out_.producer_, out_.receiver_);
                yield();
            }
        }
        return receive_into(room, never);
    }

    [[nodiscard, gnu::always_inline]] bool take(Room& room) {
        const Result<bool> rings = in_.take(room);
        if (rings && *rings) [[unlikely]] {
            detail::ring_other(in_.consumer_, in_.sender_);
        }
        return rings.has_value();
    }

    [[nodiscard, gnu::always_inline]] Result<void> receive_into(Room& room, Instant deadline) {
        if (take(room)) [[likely]] {
            return {};
        }
        return wait_into(room, deadline);
    }
    [[nodiscard, gnu::noinline]] Result<void> wait_into(Room& room, Instant deadline) {
        auto value = in_.receive(deadline);
        if (!value) {
            return error(value.error());
        }
        std::construct_at(&room.value, std::move(*value));
        return {};
    }

    // The receiver of `out_` sleeps. On one core it cannot have answered before it is rung, so the first look
    // into `in_` is the one after arm; what a higher tier's fiber has sent meanwhile is found by it.
    [[gnu::always_inline]] void ring_and_wait(channel<S, N>& out, channel<R, M>& in) {
        peer_ = out.receiver_.load(std::memory_order_relaxed);
        const std::span<const uint64_t> bell(&peer_, 1);
        out.producer_.count_bell();
        in.arm(in.consumer_, in.receiver_, self_);
        if (in.nothing_to_receive()) [[likely]] {
            in.consumer_.count_wait();
            // ESRCH: it was killed and nobody needs the bell. Nothing was waited for then.
            (void)call::yield(RUMPK_CHANNEL_RX, 0, RUMPK_NEVER, 0, bell);
        } else {
            (void)call::yield(0, 0, 0, RUMPK_YIELD_NOWAIT, bell);
        }
        in.consumer_.disarm();
    }

    channel<S, N>& out_;
    channel<R, M>& in_;
    const FiberId self_;
    uint64_t peer_ = 0;  // whom a call names
    uint32_t vain_ = 0;  // exchanges for which no turn is ended in hope
    uint32_t parks_ = 0; // before it is tried anew with a side that sleeps
};

} // namespace nexus
