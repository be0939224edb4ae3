// SPDX-License-Identifier: Apache-2.0
// A fiber: a stack, a place in the scheduler, and who may ring it.
#pragma once

#include <cstddef>

#include "abi/call.h"
#include "core/deadline_queue.h"
#include "core/list.h"
#include "core/machine.h"
#include "core/parts.h"
#include "core/run_queue.h"
#include "core/shared.h"
#include "core/types.h"

namespace rumpk {

class Cell;
struct Fiber;

enum class FiberState : uint32_t {
    free = RUMPK_FIBER_FREE,
    ready = RUMPK_FIBER_READY, // in the run queue; who runs is, too
    waiting = RUMPK_FIBER_WAITING,
    asking = 4, // waits for another core's answer; shown as waiting
};

// What stands at the low end of a stack without a guard page.
inline constexpr uint64_t stack_canary = 0x5a17'ca9a'121e'5e1dULL;

// A fiber in the queue of those that wait for its cell's console.
struct ConsoleWait {
    Link link{};
    [[nodiscard]] Fiber& fiber(); // whose part this is
};

// Control block. Lives in kernel memory, made at boot, reused for ever.
//
// Who may touch it: its cell's home core while it is free and until it is given
// to the core that runs it; that core, its owner, until the fiber has ended;
// then the home core again. Each hand-over is a message, and the ring's release
// and acquire carry the fields along. What is atomic may be read by any core,
// to find out where to send a message; what it then finds is checked by the
// receiver, who knows.
struct alignas(64) Fiber {
    // What every switch touches, in one cache line. Scheduler's own: touched by the fiber's core
    // alone, masked.
    RunNode run{};         // in the run queue while ready or running
    hal_context context{}; // valid while not running
    Shared<FiberState> state{FiberState::free};
    Tier tier = Tier::gravity;     // written at spawn, and by a demotion, which others may see at any moment
    uint16_t budget = 0;           // its account in its cell, written at spawn; 0: none
    uint64_t* canary = nullptr;    // lowest word of a stack that has no guard page, else nullptr
    Shared<uint64_t> switches{0};  // times it was given the core
    Shared<uint64_t> run_ticks{0}; // while its core counted time
    uint64_t latched = 0;          // bells that came and were not yet taken: one bit a channel

    // As above.
    DeadlineNode deadline{};        // in the deadline queue while waiting with a deadline
    uint64_t ready_since = 0;       // ticks; woken then, and has not run since. 0: not so, or not counted
    Shared<uint64_t> wake_ticks{0}; // longest from ready to running, while its core counted time
    uint64_t waits_for = 0;         // channels that end the wait, while waiting; while asking: the answer
    ConsoleWait console{};          // in the cell's queue while it waits for the console
    uint64_t console_seen = 0;      // the cell's console bells it has taken

    // Where it is. A wrong guess is found out by the receiver of the message.
    Shared<FiberId> id{FiberId::none()}; // none: free. Written by the home core
    Shared<CoreId> core{CoreId{}};       // where it runs, while it has an id. Written by the home core
    Shared<bool> owned{false};           // by the scheduler of `core`. Written by that core
    bool unusual = false;                // not as Cell::make_usual() leaves it; the home core's
    FiberId next_id{};                   // of the slot's next fiber; the home core's

    // Who it is: written at spawn.
    Cell* cell = nullptr; // nullptr: a fiber of the kernel
    FiberId spawner{};    // other endpoint of its rings
    FiberId watcher{};    // whom its end rings, unless it ends by itself. The home core's
    AddressRange stack{};
    rumpk_ring_descriptor rx{}; // both stand in the slot's ring space
    rumpk_ring_descriptor tx{};
    union {
        rumpk_entry entry = nullptr; // nullptr: condemned
        Fiber* next_free;            // while free: in the cell's list of those
    };
    uint64_t argument = 0;
    char name[16]{}; // need not end in NUL

    // Of its budget, in its cell; 0: it has none.
    [[nodiscard]] uint16_t account() const { return parts::budgets ? budget : 0; }

    // Has it used more stack than it has? Known only where no guard page says so at once.
    [[nodiscard]] bool overflowed() const { return canary != nullptr && *canary != stack_canary; }

    // Is its end somebody's already, who kills it in two pieces? Nobody else kills it then.
    [[nodiscard]] bool condemned() const { return entry == nullptr; }

    // Has anybody lived in this slot?
    [[nodiscard]] bool has_lived() const { return next_id.generation() != FiberId::first_generation; }

    // Another life begins in this slot.
    void begin_anew() {
        latched = 0;
        switches = 0;
        run_ticks = 0;
        ready_since = 0;
        wake_ticks = 0;
    }

    // Which of these bells have come; they have been taken then.
    uint64_t take(uint64_t channels) {
        const uint64_t taken = latched & channels;
        latched &= ~taken;
        return taken;
    }

    // It was woken and is given the core now.
    void end_wake(uint64_t ticks) {
        if (ticks - ready_since > wake_ticks) {
            wake_ticks = ticks - ready_since;
        }
        ready_since = 0;
    }
};
static_assert(sizeof(Fiber) == 256, "each fiber costs as much");
static_assert(offsetof(Fiber, run) == 0 && offsetof(Fiber, deadline) == 64,
              "what a switch touches is one line");

inline Fiber& ConsoleWait::fiber() {
    return *reinterpret_cast<Fiber*>(reinterpret_cast<std::byte*>(this) - offsetof(Fiber, console));
}

} // namespace rumpk
