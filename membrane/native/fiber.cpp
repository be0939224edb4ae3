// SPDX-License-Identifier: Apache-2.0
//
// Spawning, and joining by a latch in the fiber's task.
//
// A task is freed by home-tier fibers only, never by the fiber itself: a bare one has no heap, and an
// ending one still stands on its stack. Those let go while they ran stand in a ring, and each spawn and each
// letting go looks at two of them: so nothing here takes longer the more fibers there are.
#include <array>
#include <atomic>
#include <cstdlib>
#include <malloc.h>
#include <utility>

#include "nexus/fiber.h"
#include "nexus/meta.h"
#include "start/process.h"

namespace nexus {

namespace {

using detail::Task;

constexpr uint32_t pooled_stack_max = 4096; // bytes; abi/call.h, rumpk_spawn_args::stack_size
constexpr size_t stack_alignment = 16;
constexpr int looked_at_once = 2;

// Both are touched by home-tier fibers only, which take turns; none of them waits while it changes them.
constinit Task** of_slot = nullptr;    // the youngest task of each of the cell's fiber slots
constinit Task* let_go_last = nullptr; // the ring of those let go: whom a sweep has looked at last

[[nodiscard]] std::atomic_ref<uint32_t> done_flag(Task& task) {
    return std::atomic_ref(task.done);
}

// Marks the task done and wakes whoever joins. seq_cst: with join's own order it is Dekker's pattern,
// each side writing its word before it reads the other's; weaker, both may miss and the joiner sleeps on.
void finish(Task& task, int64_t code) {
    task.code = code;
    std::atomic_ref waiter(task.waiter);
    done_flag(task).store(1, std::memory_order_seq_cst);
    if (const uint64_t fiber = waiter.load(std::memory_order_seq_cst); fiber != 0) {
        // From here on the task may be gone. ESRCH: the joiner was killed, nobody needs the bell.
        (void)call::yield(0, 0, 0, RUMPK_YIELD_NOWAIT, std::span(&fiber, 1));
    }
}

// The lower half of a fiber's id is its slot, the upper counts the slot's lives (abi/call.h).
[[nodiscard]] uint32_t slot_of(FiberId fiber) {
    return static_cast<uint32_t>(static_cast<uint64_t>(fiber));
}

[[nodiscard]] bool is_younger(FiberId fiber, FiberId other) {
    const uint64_t lives = (static_cast<uint64_t>(fiber) >> 32) - (static_cast<uint64_t>(other) >> 32);
    return static_cast<int32_t>(lives) > 0;
}

// The task of a fiber that has one and is not done.
[[nodiscard]] Task* task_of(FiberId fiber) {
    if (of_slot == nullptr || slot_of(fiber) >= detail::process.self.fiber_slots) {
        return nullptr;
    }
    Task* const task = of_slot[slot_of(fiber)];
    const bool is_its = task != nullptr && task->fiber == fiber;
    return is_its && done_flag(*task).load(std::memory_order_acquire) == 0 ? task : nullptr;
}

// It has ended. If it has not said so itself, then it was killed, and who did it has not come to say so yet;
// or the kernel ended it, or a bare fiber by the call alone.
void settle(Task& task) {
    if (done_flag(task).load(std::memory_order_acquire) == 0) {
        task.code = task.reason != 0 ? -static_cast<int64_t>(task.reason) : RUMPK_END_BUDGET;
        done_flag(task).store(1, std::memory_order_relaxed); // for other home-tier fibers alone
    }
}

// call::yield that the end of the task's fiber ends, too, whoever makes it. It is settled then.
Result<uint64_t> wait_for_end(Task& task, uint64_t channels, uint64_t deadline, uint32_t flags) {
    const auto fiber = static_cast<uint64_t>(task.fiber);
    const auto woken = call::yield(channels, 0, deadline, flags | RUMPK_YIELD_END, std::span(&fiber, 1));
    if (!woken && woken.error() == Errno::srch) {
        settle(task);
        return 0;
    }
    return woken;
}

[[nodiscard]] bool exists(FiberId fiber) {
    return call::meta(RUMPK_META_FIBER, {}, static_cast<uint64_t>(fiber)).has_value();
}

void free_task(Task& task) {
    if (Task*& place = of_slot[slot_of(task.fiber)]; place == &task) {
        place = nullptr;
    }
    free(task.stack);
    task.destroy(task);
}

// Behind the one that was looked at last: its turn comes when all others have had theirs.
void add_to_ring(Task& task) {
    if (let_go_last == nullptr) {
        task.next = &task;
    } else {
        task.next = std::exchange(let_go_last->next, &task);
    }
    let_go_last = &task;
}

// The next of the ring if its fiber has ended, out of the ring; else the ring is turned on, and nullptr. By
// the kernel's word and not the task's: a lower tier's fiber says that it is done and is then overtaken while
// it stands on its stack, and one that the kernel has ended says nothing. The home core gives ids back, and
// this runs there: whatever the fiber did elsewhere that core has by its message.
[[nodiscard]] Task* take_ended() {
    Task& task = *let_go_last->next;
    if (exists(task.fiber)) {
        let_go_last = &task;
        return nullptr;
    }
    if (let_go_last == &task) {
        let_go_last = nullptr;
    } else {
        let_go_last->next = task.next;
    }
    return &task;
}

// Frees what has ended of so many that were let go. A callable's end may itself let go of fibers, and come
// here, or wait: so what is freed has left the ring before.
void sweep(int looked_at) {
    for (; looked_at > 0 && let_go_last != nullptr; --looked_at) {
        if (Task* const ended = take_ended(); ended != nullptr) {
            free_task(*ended);
        }
    }
}

// False: no heap is left for them.
[[nodiscard]] bool has_places() {
    if (of_slot == nullptr) {
        of_slot = static_cast<Task**>(calloc(detail::process.self.fiber_slots, sizeof(Task*)));
    }
    return of_slot != nullptr;
}

// The task's fiber is known. On another core it may have ended before its spawner came to know it, and
// another task begun in the slot: that keeps the place.
void give_place(Task& task) {
    Task*& place = of_slot[slot_of(task.fiber)];
    if (place == nullptr || is_younger(task.fiber, place->fiber)) {
        place = &task;
    }
}

// The first function of a fiber with a task.
void run_task(uint64_t argument) {
    Task& task = *reinterpret_cast<Task*>(static_cast<uintptr_t>(argument));
    task.run(task);
    finish(task, 0);
}

} // namespace

// The front of rumpk_meta_self, as far as the id: so much the kernel answers on the spot.
FiberId self() {
    struct {
        uint32_t size;
        uint32_t cell;
        FiberId fiber;
    } front{};
    static_assert(sizeof front == offsetof(rumpk_meta_self, fiber) + sizeof(FiberId));
    (void)call::raw(RUMPK_CALL_META, RUMPK_META_SELF, call::address(&front), sizeof front); // cannot fail
    return front.fiber;
}

Result<uint32_t> budget(std::string_view name) {
    for (uint32_t number = 1;; ++number) {
        const auto known = detail::meta<rumpk_meta_budget>(RUMPK_META_BUDGET, number);
        if (!known) {
            return error(Errno::noent);
        }
        if (name == reinterpret_cast<const char*>(known->name)) {
            return number;
        }
    }
}

Result<void> kill(FiberId fiber, uint32_t reason) {
    if (Task* const task = task_of(fiber); task != nullptr) {
        task->reason = reason;
    }
    const auto killed = call::kill(fiber, reason);
    // Another core may have been asked, and whoever joins have learned of it first and let the task go.
    if (Task* const task = task_of(fiber); task != nullptr) {
        if (killed) {
            finish(*task, -static_cast<int64_t>(reason));
        } else {
            task->reason = 0;
        }
    }
    return killed;
}

void exit_fiber(int64_t code) {
    if (Task* const task = task_of(self()); task != nullptr) {
        finish(*task, code);
    }
    (void)call::halt(code, RUMPK_SCOPE_FIBER);
    __builtin_trap(); // a fiber may always end itself
}

namespace detail {

Result<void> start(Task& task, const FiberOptions& options) {
    sweep(looked_at_once);
    FiberOptions own = options;
    if (options.stack.empty() && options.stack_size > pooled_stack_max) {
        task.stack = memalign(stack_alignment, options.stack_size);
        if (task.stack == nullptr) {
            return error(Errno::nomem);
        }
        own.stack = std::span(static_cast<std::byte*>(task.stack), options.stack_size);
    }
    const auto fiber = has_places() ? spawn(run_task, reinterpret_cast<uintptr_t>(&task), own)
                                    : Result<FiberId>(error(Errno::nomem));
    if (!fiber) {
        free(task.stack);
        return error(fiber.error());
    }
    task.fiber = *fiber;
    give_place(task);
    return {};
}

bool has_ended(Task& task) {
    // seq_cst: pairs with finish, see there; what the fiber wrote before its end is seen, too.
    return done_flag(task).load(std::memory_order_seq_cst) != 0;
}

bool look_for_end(Task& task) {
    (void)wait_for_end(task, 0, 0, RUMPK_YIELD_NOWAIT);
    return has_ended(task);
}

Result<void> begin_join(Task& task, FiberId waiter) {
    if (waiter == task.fiber) {
        return error(Errno::inval);
    }
    uint64_t nobody = 0;
    std::atomic_ref place(task.waiter);
    if (!place.compare_exchange_strong(nobody, static_cast<uint64_t>(waiter), std::memory_order_seq_cst)) {
        return error(Errno::busy);
    }
    return {};
}

void end_join(Task& task) {
    std::atomic_ref(task.waiter).store(0, std::memory_order_relaxed);
}

Result<int64_t> join(Task& task, Instant deadline) {
    if (const auto begun = begin_join(task, self()); !begun) {
        return error(begun.error());
    }
    Result<uint64_t> woken = 0;
    while (!has_ended(task) && woken) {
        woken = wait_for_end(task, RUMPK_CHANNEL_RX, deadline_of(deadline), 0);
    }
    end_join(task);
    if (!has_ended(task)) {
        return error(woken.error());
    }
    return task.code;
}

void let_go(Task& task) {
    if (exists(task.fiber)) {
        add_to_ring(task);
    } else {
        free_task(task);
    }
    sweep(looked_at_once);
}

} // namespace detail

} // namespace nexus
