// SPDX-License-Identifier: Apache-2.0
//
// Tasks: C++20 coroutines that take turns inside one fiber. A task costs about a hundred bytes where a
// fiber costs kilobytes, so there may be a million of them.
//
//      alignas(4096) std::byte memory[1 << 20];
//      nexus::tasks tasks(memory);
//
//      nexus::task<int> answer(nexus::tasks& tasks) {
//          co_await tasks.sleep_for(1ms);
//          co_return 42;
//      }
//      nexus::Result<int> got = tasks.run(answer(tasks));
//
// A task begins when it is awaited, spawned or run. Destroying it before it has ended cancels it: the
// destructors of all that stands in its frame run, of what it awaits first.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include "nexus/channel.h"
#include "nexus/fiber.h"
#include "nexus/result.h"
#include "nexus/task_frame.h"
#include "nexus/task_wait.h"
#include "nexus/time.h"

namespace nexus {

template <class T>
class task;

namespace detail {

template <class T>
struct Promise;

template <class T>
struct OutcomeOf {
    using type = Result<T>;
};
template <class T>
struct OutcomeOf<Result<T>> {
    using type = Result<T>;
};

// Among a coroutine's parameters, the first that is an executor.
template <class First, class... Rest>
[[nodiscard]] tasks& executor_in(First& first, Rest&... rest) {
    if constexpr (std::is_convertible_v<First*, tasks*>) {
        return first;
    } else {
        static_assert(sizeof...(Rest) != 0, "one parameter of a task is nexus::tasks&");
        return executor_in(rest...);
    }
}

} // namespace detail

// What awaiting or running a task<T> gives: T or why there is none. A task that returns a Result<T> itself
// gives just that.
template <class T>
using Outcome = typename detail::OutcomeOf<T>::type;

// The executor of the tasks of one fiber: it runs those that are ready in turn, and when none is, the
// fiber sleeps until the first deadline, bell or end of a fiber that one of them waits for. Used by one
// fiber, of any tier; it outlives its tasks, and the objects awaited outlive the wait.
class tasks {
  public:
    // Frames of tasks live in the whole 4096-byte pages of this memory. A frame is at most 4048 bytes.
    explicit tasks(std::span<std::byte> memory) : pool_(*this) { pool_.add(memory); }
    tasks(const tasks&) = delete;
    tasks& operator=(const tasks&) = delete;
    ~tasks(); // cancels what was spawned and has not ended

    void add_memory(std::span<std::byte> memory) { pool_.add(memory); }

    // Starts a task that nobody awaits; its value is dropped. ENOMEM: there was no memory for its frame.
    template <class T>
    [[nodiscard]] Result<void> spawn(task<T>&& started);

    // Runs all until this one has ended, then stops: the others stand where they are until the next run.
    // ENOMEM: no memory for its frame. EBUSY: it waits for something that nothing can end any more.
    template <class T>
    [[nodiscard]] Outcome<T> run(task<T> awaited);

    // Runs until nothing that was spawned is left. EBUSY: what is left waits for something that nothing
    // can end any more.
    Result<void> run();

    // What a task awaits: `co_await tasks.sleep_for(1ms)`. Deadlines that pass are ETIMEDOUT, a wait that
    // can end at once does not give up the turn.

    // Ends the turn: the other ready tasks run first.
    [[nodiscard]] static detail::Yield yield() { return {}; }
    [[nodiscard]] static detail::Sleep sleep_until(Instant when) { return {deadline_of(when)}; }
    [[nodiscard]] static detail::Sleep sleep_for(Duration duration) { return sleep_until(now() + duration); }

    // One task at a time receives from a channel, one sends into it, one waits for an end of a ring.

    // A value: Result<T>. EPIPE: none, and the channel is closed. EBUSY: another task waits for one.
    template <class T, uint32_t N>
    [[nodiscard]] auto receive(channel<T, N>& from, Instant deadline = never) {
        return detail::Wait(*this, detail::Receive<T, N>{from}, deadline);
    }
    // Result<void>. EPIPE: the channel is closed. EBUSY: another task waits for room. Without success the
    // value is dropped.
    template <class T, uint32_t N>
    [[nodiscard]] auto send(channel<T, N>& to, std::type_identity_t<T> value, Instant deadline = never) {
        return detail::Wait(*this, detail::Send<T, N>{to, std::move(value)}, deadline);
    }

    // Until there is a message to peek, or the producer has closed: Result<void>. `bells`: the channels of
    // the calling fiber that the other end rings. EBADF: it has none such.
    template <class Fence, class Words, class Shape>
    [[nodiscard]] auto readable(ion::BasicConsumer<Fence, Words, Shape>& ring,
                                uint64_t bells = RUMPK_CHANNEL_RX, Instant deadline = never) {
        using Ring = ion::BasicConsumer<Fence, Words, Shape>;
        return detail::Wait(*this, detail::RingWait<Ring, detail::nothing_to_read>{ring, bells}, deadline);
    }
    // Until there is a slot to claim, or the consumer has closed.
    template <class Fence, class Words, class Shape>
    [[nodiscard]] auto writable(ion::BasicProducer<Fence, Words, Shape>& ring,
                                uint64_t bells = RUMPK_CHANNEL_TX, Instant deadline = never) {
        using Ring = ion::BasicProducer<Fence, Words, Shape>;
        return detail::Wait(*this, detail::RingWait<Ring, detail::no_room_to_write>{ring, bells}, deadline);
    }

    // The end of a fiber: as Fiber::join.
    [[nodiscard]] auto join(Fiber& fiber, Instant deadline = never) {
        return detail::Wait(*this, detail::Join{fiber}, deadline);
    }

    // Frames that exist, and the memory that they take, in whole pages.
    [[nodiscard]] size_t frames() const { return pool_.frames(); }
    [[nodiscard]] size_t bytes() const { return pool_.bytes(); }

  private:
    template <class>
    friend struct detail::Promise;
    friend struct detail::PromiseBase;
    friend struct detail::Access;

    // So many resumptions are one turn of the fiber; then others of its tier run, and bells and deadlines
    // are looked at although tasks are ready.
    static constexpr int32_t turn = 256;

    [[nodiscard]] bool step();
    void look();
    void expire();
    void start_root(detail::PromiseBase& promise);
    void unlink_root(detail::PromiseBase& promise);

    detail::ReadyList ready_;
    int32_t left_ = 0; // of the turn; below 0: it was over although tasks are ready
    detail::TimedHeap timed_;
    detail::Parked* parked_ = nullptr; // waits that a bell ends
    detail::PromiseBase* roots_ = nullptr;
    FiberId fiber_ = FiberId::none; // who runs
    detail::FramePool pool_;
};

namespace detail {

// How the parts of a task reach their executor.
struct Access {
    [[nodiscard]] static std::coroutine_handle<> next(tasks& executor) {
        if (executor.ready_.empty() || --executor.left_ < 0) {
            return std::noop_coroutine(); // back to the loop
        }
        return executor.ready_.pop().handle();
    }
    // To the end of the list, and on with its first.
    [[nodiscard]] static std::coroutine_handle<> end_turn(PromiseBase& promise) {
        tasks& executor = promise.executor();
        if (--executor.left_ < 0) {
            executor.ready_.push(promise);
            return std::noop_coroutine();
        }
        return executor.ready_.rotate(promise).handle();
    }
    static void ready(tasks& executor, PromiseBase& promise) { executor.ready_.push(promise); }
    static void timed(tasks& executor, PromiseBase& promise, uint64_t when) {
        executor.timed_.insert(promise, when);
    }
    [[nodiscard]] static FiberId fiber(const tasks& executor) { return executor.fiber_; }
    // From a wait to the list of what is ready.
    static void wake(tasks& executor, PromiseBase& promise);
    static void park(tasks& executor, Parked& wait, Instant deadline);
    static void unpark(tasks& executor, Parked& wait);
    static void look(tasks& executor) { executor.look(); }
    [[nodiscard]] static std::coroutine_handle<> root_ended(tasks& executor, PromiseBase& promise);
};

[[nodiscard]] std::coroutine_handle<> ended_in_company(PromiseBase& promise);

struct Final {
    [[nodiscard]] static bool await_ready() noexcept { return false; }
    template <class P>
    [[nodiscard]] static std::coroutine_handle<> await_suspend(std::coroutine_handle<P> ended) noexcept {
        PromiseBase& promise = ended.promise();
        if (promise.kin == Kin::awaited) {
            promise.awaiting->awaits = false;
            return promise.awaiting->handle();
        }
        return ended_in_company(promise);
    }
    static void await_resume() noexcept {}
};

template <class T>
struct PromiseValue : PromiseBase {
    std::optional<T> value;

    template <class V>
    void return_value(V&& given) {
        value.emplace(std::forward<V>(given));
    }
    [[nodiscard]] Outcome<T> take() { return Outcome<T>(std::move(*value)); }
};

template <>
struct PromiseValue<void> : PromiseBase {
    static void return_void() {}
    [[nodiscard]] static Result<void> take() { return {}; }
};

template <class T>
struct Promise : PromiseValue<T> {
    [[nodiscard]] task<T> get_return_object() { return task<T>(Owner(this)); }
    // No memory: an empty task, whose outcome is ENOMEM.
    [[nodiscard]] static task<T> get_return_object_on_allocation_failure() { return {}; }
    [[nodiscard]] static std::suspend_always initial_suspend() noexcept { return {}; }
    [[nodiscard]] static Final final_suspend() noexcept { return {}; }
    [[noreturn]] static void unhandled_exception() noexcept { __builtin_trap(); }

    [[nodiscard]] Suspended await_transform(Sleep sleep) {
        Access::timed(this->executor(), *this, sleep.when);
        return {};
    }
    template <class A>
    [[nodiscard]] A&& await_transform(A&& other) { // all else is an awaiter or has one
        return std::forward<A>(other);
    }

    template <class... Arguments>
    [[nodiscard]] static void* operator new(size_t bytes, Arguments&... arguments) noexcept {
        return executor_in(arguments...).pool_.take(bytes);
    }
    static void operator delete(void* frame, size_t) { FramePool::give(frame); }
};

template <class T>
struct TaskAwaiter {
    Owner owner;

    [[nodiscard]] bool await_ready() const { return owner.promise == nullptr; }
    template <class P>
    [[nodiscard]] std::coroutine_handle<> await_suspend(std::coroutine_handle<P> awaiting) {
        PromiseBase& waiter = awaiting.promise();
        waiter.awaits = true;
        waiter.owner_awaited() = &owner;
        owner.promise->kin = Kin::awaited;
        owner.promise->awaiting = &waiter;
        return owner.promise->handle();
    }
    [[nodiscard]] Outcome<T> await_resume() {
        if (owner.promise == nullptr) {
            return error(Errno::nomem);
        }
        return static_cast<Promise<T>&>(*owner.promise).take();
    }
};

} // namespace detail

// A coroutine that gives a T (void without an argument). One of its parameters is the nexus::tasks& in
// whose memory its frame is and which runs it. It begins when it is awaited, once.
template <class T = void>
class [[nodiscard]] task {
    static_assert(std::is_void_v<T> || std::is_nothrow_move_constructible_v<T>);

  public:
    using promise_type = detail::Promise<T>;

    task() = default; // empty: its outcome is ENOMEM

    // False: there was no memory for its frame, or it was moved from.
    [[nodiscard]] bool has_frame() const { return owner_.promise != nullptr; }

    // Its outcome: Result<T>, or what it returned if that is a Result. ENOMEM: it has no frame.
    [[nodiscard]] auto operator co_await() && {
        static_assert(alignof(promise_type) <= 16, "frames are aligned to 16 bytes");
        return detail::TaskAwaiter<T>{std::move(owner_)};
    }

  private:
    friend promise_type;
    friend class tasks;
    template <class...>
    friend class detail::Company;

    explicit task(detail::Owner&& owner) : owner_(std::move(owner)) {}

    detail::Owner owner_;
};

template <class T>
Result<void> tasks::spawn(task<T>&& started) {
    if (!started.has_frame()) {
        return error(Errno::nomem);
    }
    start_root(*std::exchange(started.owner_.promise, nullptr));
    return {};
}

template <class T>
Outcome<T> tasks::run(task<T> awaited) {
    if (!awaited.has_frame()) {
        return error(Errno::nomem);
    }
    detail::Group group{.waiter = nullptr, .winner = nullptr, .left = 1};
    auto& promise = static_cast<detail::Promise<T>&>(*awaited.owner_.promise);
    promise.kin = detail::Kin::grouped;
    promise.group = &group;
    ready_.push(promise);
    fiber_ = self();
    while (group.left != 0) {
        if (!step()) {
            return error(Errno::busy);
        }
    }
    return promise.take();
}

// `co_await nexus::when_all(a(tasks), b(tasks))` runs both and gives a tuple of their outcomes.
template <class... Ts>
[[nodiscard]] detail::All<Ts...> when_all(task<Ts>... all) {
    return detail::All<Ts...>(std::move(all)...);
}

// The same until the first of them has ended: a variant, whose index says which, of its outcome. The
// others are cancelled before the waiter goes on.
template <class... Ts>
[[nodiscard]] detail::Any<Ts...> when_any(task<Ts>... any) {
    return detail::Any<Ts...>(std::move(any)...);
}

} // namespace nexus
