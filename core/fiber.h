// SPDX-License-Identifier: Apache-2.0
// A fiber: a stack, a place in the scheduler, and who may ring it.
#pragma once

#include "abi/call.h"
#include "core/deadline_queue.h"
#include "core/list.h"
#include "core/machine.h"
#include "core/run_queue.h"
#include "core/types.h"

namespace rumpk {

class Cell;
struct Fiber;

enum class FiberState : uint32_t {
    free = RUMPK_FIBER_FREE,
    ready = RUMPK_FIBER_READY,
    running = RUMPK_FIBER_RUNNING,
    waiting = RUMPK_FIBER_WAITING,
};

// A fiber in the queue of those that wait for its cell's console.
struct ConsoleWait {
    Link link{};
    Fiber* fiber = nullptr;
};

// Control block. Lives in kernel memory, made at boot, reused for ever.
struct Fiber {
    // Scheduler's own: touched by the fiber's core alone, masked.
    hal_context context{};   // valid while not running
    RunNode run{};           // in the run queue while ready
    DeadlineNode deadline{}; // in the deadline queue while waiting with a deadline
    FiberState state = FiberState::free;
    uint64_t waits_for = 0;    // channels that end the wait, while waiting
    uint64_t latched = 0;      // bells that came and were not yet taken: one bit a channel
    ConsoleWait console{};     // in the cell's queue while it waits for the console
    uint64_t console_seen = 0; // the cell's console bells it has taken

    // Who it is: written at spawn.
    FiberId id{};         // generation moves at the end, so that old ids find nothing
    Cell* cell = nullptr; // nullptr: a fiber of the kernel
    FiberId spawner{};    // other endpoint of its rings
    Tier tier = Tier::gravity;
    CoreId core{};
    AddressRange stack{};
    uint64_t* canary = nullptr; // lowest word of a stack that has no guard page, else nullptr
    AddressRange rings{};       // rx, then tx; empty: none
    rumpk_ring_descriptor rx{};
    rumpk_ring_descriptor tx{};
    rumpk_entry entry = nullptr;
    uint64_t argument = 0;
    char name[16]{}; // need not end in NUL
    bool pooled_stack = false;

    // Statistics: written by its core.
    uint64_t switches = 0; // times it was given the core
    Nanoseconds run_time{};
};

// What stands at the low end of a stack without a guard page.
inline constexpr uint64_t stack_canary = 0x5a17'ca9a'121e'5e1dULL;

} // namespace rumpk
