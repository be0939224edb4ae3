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
template <class S, uint32_t N, class R, uint32_t M>
class dialogue {
  public:
    dialogue(channel<S, N>& out, channel<R, M>& in) : out_(out), in_(in), self_(self()) {}
    dialogue(const dialogue&) = delete;
    dialogue& operator=(const dialogue&) = delete;

    // Sends, then waits for a value until the deadline: send and receive, with their errors. A value
    // that was moved from has been sent; what comes back later can still be received.
    [[nodiscard]] Result<R> exchange(S&& value, Instant deadline = never) {
        if (deadline != never) [[unlikely]] {
            return exchange_until(std::move(value), deadline);
        }
        channel<R, M>& in = in_;
        const Result<bool> wants_bell = out_.place(value);
        if (!wants_bell) [[unlikely]] {
            return exchange_until(std::move(value), never); // full, or closed
        }
        if (*wants_bell) [[likely]] {
            ring_and_wait(out_, in);
        }
        typename channel<R, M>::Room room;
        const Result<bool> rings = in.take(room);
        // Nothing: the other side is at work, it was another bell, or it was killed in its sleep.
        if (!rings) [[unlikely]] {
            return in.receive();
        }
        if (*rings) [[unlikely]] {
            detail::ring_other(in.consumer_, in.sender_);
        }
        return in.out_of(room);
    }
    [[nodiscard]] Result<R> exchange(const S& value, Instant deadline = never) {
        return exchange(S(value), deadline);
    }

  private:
    [[nodiscard, gnu::noinline]] Result<R> exchange_until(S&& value, Instant deadline) {
        if (const auto sent = out_.send(std::move(value), deadline); !sent) {
            return error(sent.error());
        }
        return in_.receive(deadline);
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
    uint64_t peer_ = 0; // whom a call names
};

} // namespace nexus
