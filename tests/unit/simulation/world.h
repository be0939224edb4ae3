// SPDX-License-Identifier: Apache-2.0
// What the simulated machine is made of. Its own files only: machine.cpp (who runs), table.cpp (the HAL's
// table).
#pragma once

#include <array>
#include <map>
#include <random>
#include <unordered_map>

#include "tests/unit/simulation/device.h"
#include "tests/unit/simulation/flow.h"
#include "tests/unit/simulation/machine.h"

namespace rumpk::simulated {

struct Core {
    uint32_t index = 0;
    void* local = nullptr;
    bool started = false;
    bool masked = true;
    bool waiting = false;           // in interrupts_wait
    uint32_t interrupts = 0;        // handlers that it is in: 0 or 1, for they are masked
    uint64_t message = RUMPK_NEVER; // when the bell of another core arrives
    uint64_t timer = RUMPK_NEVER;
    HostStack* interrupt_stack = nullptr;
    HostStack* runs_on = nullptr;
    uint32_t weight = 1; // how often its turn comes
    uint64_t asleep = 0; // turns for which it does not run
    Flow flow;           // where it goes on when it is its turn
};

// A context's frame that an interrupt left on an interrupt stack.
struct Parked {
    const hal_context* context = nullptr;
    bool busy = false;
};

struct World {
    explicit World(const Plan& what) : plan(what), random(what.seed), console(what.input) {}

    Plan plan;
    std::mt19937_64 random;
    std::array<Core, HAL_MAX_CORES> cores{};
    Core* current = nullptr; // nullptr: the engine itself
    Flow engine;
    uint64_t time = 1000;
    uint64_t points = 0;
    uint64_t quantum = 0; // points until the engine chooses again
    bool off = false;
    uint32_t looking = 0; // Looking objects that live
    uint32_t code = 0;
    ConsoleDevice console;
    const hal_events* events = nullptr;
    std::unordered_map<const hal_context*, Flow> contexts;
    std::unordered_map<HostStack*, Parked> parked;
};

extern World* world;

// The memory that stands for the kernel's stack at that address.
[[nodiscard]] HostStack& stack_at(const void* base);
// Calls the function on another stack.
int64_t call_on(HostStack& stack, int64_t (*function)(void*), void* argument);
// All that is pending and not masked is taken.
void take_interrupts();
[[nodiscard]] bool pending(const Core& core);
void switch_off(uint32_t code);

// A table for this world. Valid until the next one.
[[nodiscard]] const hal& make_table();
// Address of the kernel's view of the machine's memory.
[[nodiscard]] std::byte* memory_view();
void forget_mappings();

} // namespace rumpk::simulated
