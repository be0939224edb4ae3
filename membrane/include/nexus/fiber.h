// SPDX-License-Identifier: Apache-2.0
//
// Fibers (founding decision K6): stacks that take turns. Inside a tier a fiber runs until it waits,
// yields or ends; a higher tier runs first and may interrupt a lower one.
//
// Fibers that use libc, the heap or the console live in the cell's home tier and on its home core. One
// elsewhere is `bare`: it touches rings, channels, atomics and the functions marked [bare] only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "nexus/call.h"
#include "nexus/time.h"

namespace nexus {

// A ring of a fiber's own, shared with its spawner. Zero slots: none.
struct RingShape {
    uint32_t slots = 0;     // a power of two
    uint32_t slot_size = 0; // bytes, the slot's 16-byte header included; a multiple of 16
};

struct FiberOptions {
    std::string_view name = {};           // for traces and panics; the first 16 bytes count
    std::optional<Tier> tier = {};        // empty: the cell's home tier
    uint32_t core = RUMPK_SPAWN_ANY_CORE; // index; ANY: the caller's
    std::span<std::byte> stack = {};      // 16-byte aligned, until the fiber has ended; or empty:
    uint32_t stack_size =
        0; // bytes, 1024 or more, a multiple of 16. Up to 4096, or `fiber_stack` of cell.toml (0 means that),
           // it is pooled, above a guard page; more is taken from the heap, without one
    RingShape rx = {};
    RingShape tx = {};
    bool bare = false;   // see above; must be set for another tier or core
    uint32_t budget = 0; // from nexus::budget(); 0: the caller's own, none if it has none
};

// The number of the budget that cell.toml calls so. ENOENT. [bare]
[[nodiscard]] Result<uint32_t> budget(std::string_view name);

// A new fiber, which begins with entry(argument) in its turn; at once if its tier is higher. It ends
// when entry returns. EINVAL; EPERM: the tier is above the manifest's ceiling, the core not among
// its `cores`, or either differs from home and `bare` is not set; ENOMEM: no fiber left (`fibers` in
// cell.toml) or no heap; EBUSY: as many fibers have the budget as may, or an ended one left it used up in
// this window; ERANGE: rings larger than `fiber_rings` in cell.toml. A stack larger than 4096 bytes has to be
// given here: only a fiber with a Fiber to it, below, can have one from the heap.
[[nodiscard]] inline Result<FiberId> spawn(void (*entry)(uint64_t), uint64_t argument,
                                           const FiberOptions& options = {});

// The caller. [bare]
[[nodiscard]] FiberId self();

// Ends the turn: the other ready fibers of the tier run first. [bare]
inline void yield() {
    (void)call::yield(0, 0, 0, 0);
}

// Sleeps; other fibers run, or the core does. A time that has passed ends the turn only. [bare]
inline void sleep_until(Instant when) {
    (void)call::yield(0, 0, deadline_of(when), 0);
}

// [bare]
inline void sleep_for(Duration duration) {
    sleep_until(now() + duration);
}

// Ends another fiber of this cell, wherever it stands: its stack's objects are not destroyed. The
// reason, 1..255, is what a join sees, negated. ESRCH: it has ended; EINVAL.
Result<void> kill(FiberId fiber, uint32_t reason = 1);

// Ends the caller; its stack's objects are not destroyed. The code is what a join sees. The program goes
// on while other fibers live, also when it was the first one. (A bare fiber returns instead.)
[[noreturn]] void exit_fiber(int64_t code = 0);

namespace detail {

extern constinit uint32_t home_tier; // the cell's; written before the first constructor runs

// In place, for nearly all of it is known where spawn is called.
[[nodiscard]] inline rumpk_spawn_args spawn_args(void (*entry)(uint64_t), uint64_t argument,
                                                 const FiberOptions& options) {
    rumpk_spawn_args args{};
    args.size = sizeof args;
    args.flags = options.bare ? RUMPK_SPAWN_BARE : 0;
    args.entry = reinterpret_cast<uintptr_t>(entry);
    args.argument = argument;
    args.tier = options.tier ? static_cast<uint32_t>(*options.tier) : home_tier;
    args.core = options.core;
    args.stack_base = call::address(options.stack.data());
    args.stack_size =
        options.stack.empty() ? options.stack_size : static_cast<uint32_t>(options.stack.size());
    args.rx_slots = options.rx.slots;
    args.rx_slot_size = options.rx.slot_size;
    args.tx_slots = options.tx.slots;
    args.tx_slot_size = options.tx.slot_size;
    args.budget = options.budget;
    std::copy_n(options.name.begin(), std::min(options.name.size(), sizeof args.name), args.name);
    return args;
}

// A fiber started by spawn(callable): known to the fiber itself, its Fiber, and its slot's place.
struct Task {
    Task* next = nullptr; // in the ring of those let go
    FiberId fiber = FiberId::none;
    uint64_t waiter = 0;   // the fiber in join, to be rung; 0: none
    int64_t code = 0;      // valid once done
    uint32_t done = 0;     // written last by the fiber, or by its killer
    uint32_t reason = 0;   // of a kill that is under way
    void* stack = nullptr; // from the heap; nullptr: none
    void (*run)(Task&) = nullptr;
    void (*destroy)(Task&) = nullptr; // destroys the callable and frees the memory
};

template <class F>
struct TaskOf final : Task {
    explicit TaskOf(F&& function) : callable(std::move(function)) {
        run = [](Task& task) { static_cast<TaskOf&>(task).callable(); };
        destroy = [](Task& task) { delete &static_cast<TaskOf&>(task); };
    }
    F callable;
};

[[nodiscard]] Result<void> start(Task& task, const FiberOptions& options);
[[nodiscard]] Result<int64_t> join(Task& task, Instant deadline);
void let_go(Task& task);

// A join in parts, for those who wait in their own way: `waiter` is rung at the end from begin_join, which
// is EBUSY while another waits and EINVAL for the fiber itself, to end_join.
[[nodiscard]] bool has_ended(Task& task);
// The same, and its end will ring the caller, also one that the kernel makes.
[[nodiscard]] bool look_for_end(Task& task);
[[nodiscard]] Result<void> begin_join(Task& task, FiberId waiter);
void end_join(Task& task);

struct Join;

} // namespace detail

inline Result<FiberId> spawn(void (*entry)(uint64_t), uint64_t argument, const FiberOptions& options) {
    if (options.stack.size() > UINT32_MAX) {
        return error(Errno::inval);
    }
    return call::spawn(detail::spawn_args(entry, argument, options));
}

// A fiber that can be waited for. Movable; destroying it lets the fiber go on alone. To be used by
// fibers of the home tier.
class [[nodiscard]] Fiber {
  public:
    Fiber() = default;
    Fiber(Fiber&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
    Fiber& operator=(Fiber&& other) noexcept {
        std::swap(task_, other.task_);
        return *this;
    }
    ~Fiber() { detach(); }

    // none once it is empty. After the fiber has ended the id names nobody.
    [[nodiscard]] FiberId id() const { return task_ != nullptr ? task_->fiber : FiberId::none; }

    // Waits until it has ended: 0 when its function returned, else what it gave to exit_fiber, the negated
    // reason of a kill, or RUMPK_END_BUDGET: the kernel ended it, for its budget or for a broken pledge, or
    // a bare fiber did, which has call::kill alone. It may be asked again. ETIMEDOUT; EBUSY: another
    // fiber waits already; EINVAL: empty, or the caller itself.
    [[nodiscard]] Result<int64_t> join(Instant deadline = never) {
        return task_ != nullptr ? detail::join(*task_, deadline) : error(Errno::inval);
    }

    // See nexus::kill. The callable's own objects are destroyed with this Fiber.
    Result<void> kill(uint32_t reason = 1) { return nexus::kill(id(), reason); }

    void detach() {
        if (task_ != nullptr) {
            detail::let_go(*std::exchange(task_, nullptr));
        }
    }

    // For spawn.
    explicit Fiber(detail::Task& task) : task_(&task) {}

  private:
    friend struct detail::Join;

    detail::Task* task_ = nullptr;
};

// A new fiber that runs function() and then ends; errors as for spawn(entry, argument). The function
// object is moved to the heap and destroyed after the fiber has ended, by a fiber of the home tier: with the
// Fiber, or, of one that was let go before it ended, by a later spawn or letting go, each of which looks at
// two of those: before as many more have begun as were let go and are not yet freed. The first such spawn
// takes 8 bytes of heap for each of the cell's `fibers`. Neither this nor kill takes longer the more fibers
// there are.
template <class F>
[[nodiscard]] Result<Fiber> spawn(F&& function, const FiberOptions& options = {}) {
    static_assert(std::is_invocable_v<std::decay_t<F>&>, "a fiber's function takes no arguments");
    auto* task = new detail::TaskOf<std::decay_t<F>>(std::decay_t<F>(std::forward<F>(function)));
    if (const auto started = detail::start(*task, options); !started) {
        delete task;
        return error(started.error());
    }
    return Fiber(*task);
}

} // namespace nexus
