// SPDX-License-Identifier: Apache-2.0
//
// What a task can await. Programs include <nexus/task.h>, whose class `tasks` hands these out.
#pragma once

#include <coroutine>
#include <cstdint>
#include <tuple>
#include <utility>
#include <variant>

#include "nexus/channel.h"
#include "nexus/fiber.h"
#include "nexus/task_frame.h"

namespace nexus {

template <class T>
class task;

namespace detail {

struct Access;
template <class T>
struct OutcomeOf;
template <class T>
struct TaskAwaiter;

struct Yield {
    [[nodiscard]] static bool await_ready() { return false; }
    template <class P, class A = Access>
    [[nodiscard]] static std::coroutine_handle<> await_suspend(std::coroutine_handle<P> waiting) {
        return A::end_turn(waiting.promise());
    }
    static void await_resume() {}
};

// The promise (its await_transform) does what is to be done, so that nothing of this has to be kept in
// the frame.
struct Sleep {
    uint64_t when; // ns
};
struct Suspended {
    [[nodiscard]] static bool await_ready() { return false; }
    template <class P, class A = Access>
    [[nodiscard]] static std::coroutine_handle<> await_suspend(std::coroutine_handle<P> waiting) {
        return A::next(waiting.promise().executor());
    }
    static void await_resume() {}
};

// A coroutine that waits for a bell: in its executor's list of those to look at.
struct Parked {
    Parked* next = nullptr;
    Parked* previous = nullptr;
    PromiseBase* who = nullptr;
    uint64_t bells = 0; // channels of the fiber that may end the wait
    bool (*ready)(Parked&) = nullptr;
    bool listed = false;
};

// Waits for a Source, which says with ready() whether there is something, is armed while it is waited
// for, and gives the result in the end.
template <class Source>
class [[nodiscard]] Wait : Parked {
  public:
    Wait(tasks& executor, Source source, Instant deadline)
        : executor_(executor), deadline_(deadline), source_(std::move(source)) {}
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    ~Wait() { leave(); }

    [[nodiscard]] bool await_ready() { return source_.ready(); }
    template <class P, class A = Access>
    [[nodiscard]] std::coroutine_handle<> await_suspend(std::coroutine_handle<P> waiting) {
        who = &waiting.promise();
        ready = [](Parked& parked) { return static_cast<Wait&>(parked).source_.ready(); };
        bells = source_.bells();
        refused_ = source_.arm(executor_, *this);
        armed_ = refused_.has_value();
        if (!armed_ || source_.ready()) { // the second look; see ion/endpoint.h
            return waiting;
        }
        A::park(executor_, *this, deadline_);
        return A::next(executor_);
    }
    [[nodiscard]] auto await_resume() {
        leave();
        return source_.result(executor_, refused_);
    }

  private:
    template <class A = Access>
    void leave() {
        if (armed_) {
            armed_ = false;
            source_.disarm();
            A::unpark(executor_, *this);
        }
    }

    tasks& executor_;
    Instant deadline_;
    Source source_;
    Result<void> refused_{};
    bool armed_ = false;
};

// How tasks use a channel: as its own functions do, but that a task is woken where the fiber would be
// rung, and without a call where both are tasks of one fiber.
struct ChannelAccess {
    template <class End, class A = Access>
    static void ring(tasks& executor, End& end, const std::atomic<uint64_t>& other, Parked* parked) {
        if (!end.peer_waiting()) {
            return;
        }
        const auto fiber = static_cast<FiberId>(other.load(std::memory_order_relaxed));
        if (parked != nullptr && fiber == A::fiber(executor)) {
            A::wake(parked->who->executor(), *parked->who);
        } else {
            ring_if_waiting(end, other);
        }
    }
    // EBUSY: another task waits at this side.
    template <class End, class A = Access>
    [[nodiscard]] static Result<void> arm(tasks& executor, End& end, std::atomic<uint64_t>& me, Parked*& mine,
                                          Parked& parked) {
        if (mine != nullptr) {
            return error(Errno::busy);
        }
        mine = &parked;
        me.store(static_cast<uint64_t>(A::fiber(executor)), std::memory_order_relaxed);
        end.arm();
        end.count_wait();
        return {};
    }
    // Why there is nothing in the end.
    [[nodiscard]] static Errno failure(Errno tried, const Result<void>& refused) {
        return tried != Errno::again ? tried : refused ? Errno::timedout : refused.error();
    }
};

template <class T, uint32_t N>
struct Receive {
    channel<T, N>& from;

    [[nodiscard]] bool ready() { return !from.nothing_to_receive(); }
    [[nodiscard]] static uint64_t bells() { return RUMPK_CHANNEL_RX; }
    [[nodiscard]] Result<void> arm(tasks& executor, Parked& parked) {
        return ChannelAccess::arm(executor, from.consumer_, from.receiver_, from.receiving_, parked);
    }
    void disarm() {
        from.consumer_.disarm();
        from.receiving_ = nullptr;
    }
    [[nodiscard]] Result<T> result(tasks& executor, Result<void> refused) {
        typename channel<T, N>::Room room;
        if (const auto taken = from.take(room); !taken) {
            return error(ChannelAccess::failure(taken.error(), refused));
        }
        ChannelAccess::ring(executor, from.consumer_, from.sender_, from.sending_); // looks for itself
        return from.out_of(room);
    }
};

template <class T, uint32_t N>
struct Send {
    channel<T, N>& to;
    T value;

    [[nodiscard]] bool ready() { return !to.no_room(); }
    [[nodiscard]] static uint64_t bells() { return RUMPK_CHANNEL_RX; }
    [[nodiscard]] Result<void> arm(tasks& executor, Parked& parked) {
        return ChannelAccess::arm(executor, to.producer_, to.sender_, to.sending_, parked);
    }
    void disarm() {
        to.producer_.disarm();
        to.sending_ = nullptr;
    }
    [[nodiscard]] Result<void> result(tasks& executor, Result<void> refused) {
        const Result<bool> sent = to.place(value);
        if (!sent) {
            return error(ChannelAccess::failure(sent.error(), refused));
        }
        ChannelAccess::ring(executor, to.producer_, to.receiver_, to.receiving_);
        return {};
    }
};

// A ring's end that others ring the fiber for.
template <class End, bool (*has_nothing)(End&)>
struct RingWait {
    End& ring;
    uint64_t channels;

    [[nodiscard]] bool ready() { return !has_nothing(ring); }
    [[nodiscard]] uint64_t bells() const { return channels; }
    template <class A = Access>
    [[nodiscard]] Result<void> arm(tasks& executor, Parked&) {
        // Does the fiber have such channels? What this takes from the latch, another task may wait for.
        const auto rung = call::yield(channels, 0, 0, RUMPK_YIELD_NOWAIT);
        if (!rung && rung.error() != Errno::again) {
            return error(rung.error());
        }
        if (rung) {
            A::look(executor);
        }
        ring.arm();
        ring.count_wait();
        return {};
    }
    void disarm() { ring.disarm(); }
    [[nodiscard]] Result<void> result(tasks&, Result<void> refused) {
        if (refused && has_nothing(ring)) {
            return error(Errno::timedout);
        }
        return refused;
    }
};

template <class End>
[[nodiscard]] bool nothing_to_read(End& ring) {
    return ring.empty() && ring.peer_closed() == ion::Close::open;
}
template <class End>
[[nodiscard]] bool no_room_to_write(End& ring) {
    return ring.full() && ring.closed() == ion::Close::open && ring.peer_closed() == ion::Close::open;
}

struct Join {
    Fiber& fiber;

    [[nodiscard]] bool ready() const { return fiber.task_ == nullptr || look_for_end(*fiber.task_); }
    [[nodiscard]] static uint64_t bells() { return RUMPK_CHANNEL_RX; }
    template <class A = Access>
    [[nodiscard]] Result<void> arm(tasks& executor, Parked&) {
        return begin_join(*fiber.task_, A::fiber(executor));
    }
    void disarm() { end_join(*fiber.task_); }
    [[nodiscard]] Result<int64_t> result(tasks&, Result<void> refused) const {
        if (fiber.task_ == nullptr) {
            return error(Errno::inval);
        }
        if (!refused) {
            return error(refused.error());
        }
        return has_ended(*fiber.task_) ? Result<int64_t>(fiber.task_->code) : error(Errno::timedout);
    }
};

// Tasks that are awaited together.
template <class... Ts>
class Company {
  protected:
    explicit Company(task<Ts>&&... given) : tasks_(std::move(given)...) {}
    Company(const Company&) = delete;
    Company& operator=(const Company&) = delete;

    // Makes them ready; the group counts those that have a frame.
    template <class A = Access>
    void start(PromiseBase& waiter) {
        group_.waiter = &waiter;
        const auto one = [&](Owner& owner) {
            if (PromiseBase* const promise = owner.promise; promise != nullptr) {
                promise->kin = Kin::grouped;
                promise->group = &group_;
                A::ready(waiter.executor(), *promise);
            }
        };
        std::apply([&](auto&... each) { (one(each.owner_), ...); }, tasks_);
    }
    [[nodiscard]] uint32_t with_frames() const {
        return std::apply([](auto&... each) { return (uint32_t{each.has_frame()} + ... + 0U); }, tasks_);
    }
    template <size_t I>
    [[nodiscard]] PromiseBase* promise() {
        return std::get<I>(tasks_).owner_.promise;
    }
    template <size_t I>
    [[nodiscard]] auto outcome() {
        using T = std::tuple_element_t<I, std::tuple<std::type_identity<Ts>...>>::type;
        return TaskAwaiter<T>{std::move(std::get<I>(tasks_).owner_)}.await_resume();
    }
    void cancel() {
        std::apply([](auto&... each) { ((void)std::exchange(each.owner_, Owner()), ...); }, tasks_);
    }

    std::tuple<task<Ts>...> tasks_;
    Group group_;
};

template <class... Ts>
class [[nodiscard]] All : Company<Ts...> {
  public:
    explicit All(task<Ts>&&... given) : Company<Ts...>(std::move(given)...) {}

    [[nodiscard]] bool await_ready() const { return this->with_frames() == 0; }
    template <class P, class A = Access>
    [[nodiscard]] std::coroutine_handle<> await_suspend(std::coroutine_handle<P> waiting) {
        this->group_.left = this->with_frames();
        this->start(waiting.promise());
        return A::next(waiting.promise().executor());
    }
    [[nodiscard]] auto await_resume() { return outcomes(std::index_sequence_for<Ts...>()); }

  private:
    template <size_t... Is>
    [[nodiscard]] auto outcomes(std::index_sequence<Is...>) {
        return std::tuple{this->template outcome<Is>()...};
    }
};

template <class... Ts>
class [[nodiscard]] Any : Company<Ts...> {
    static_assert(sizeof...(Ts) != 0);

  public:
    explicit Any(task<Ts>&&... given) : Company<Ts...>(std::move(given)...) {}

    // One without a frame has ended before any begins.
    [[nodiscard]] bool await_ready() const { return this->with_frames() != sizeof...(Ts); }
    template <class P, class A = Access>
    [[nodiscard]] std::coroutine_handle<> await_suspend(std::coroutine_handle<P> waiting) {
        this->group_.left = 1;
        this->start(waiting.promise());
        return A::next(waiting.promise().executor());
    }
    [[nodiscard]] auto await_resume() { return winner<0>(); }

  private:
    using Winner = std::variant<typename OutcomeOf<Ts>::type...>;

    template <size_t I>
    [[nodiscard]] Winner winner() {
        if constexpr (I + 1 < sizeof...(Ts)) {
            if (this->template promise<I>() != this->group_.winner) {
                return winner<I + 1>();
            }
        }
        Winner won(std::in_place_index<I>, this->template outcome<I>());
        this->cancel();
        return won;
    }
};

} // namespace detail
} // namespace nexus
