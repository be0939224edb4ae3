// SPDX-License-Identifier: Apache-2.0
// A machine of several cores in virtual time, on one thread of the host, behind the table of abi/hal.h. A
// seed decides everything: which core runs for how long, when a bell or a device's interrupt arrives, what
// the console takes. So every run replays.
//
// Cores change at points: each call of the table, each load and store of memory that cores share (the
// compiler marks those of the kernel), and wherever a fiber of the test says so. An interrupt is taken at
// any point at which it is pending and not masked. Memory is sequentially consistent here: what weaker
// machines reorder is the business of the litmus tests.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <string>

#include "abi/call.h"
#include "abi/hal.h"

namespace rumpk::simulated {

struct Plan {
    uint64_t seed = 0;
    uint32_t cores = 1;
    uint32_t boot_core = 0;
    bool one_cause_each = false; // a trap for each pending interrupt, by rank: device, timer, message
    uint64_t pauses = 3000;      // a core stops for a while once in so many turns: its messages pile up
    bool framed = false;         // the console speaks frames
    uint64_t points = 2'000'000; // after so many the run has not ended
    std::span<const std::byte> image;
    std::string input; // what the console's device receives, by and by
};

struct Ending {
    uint32_t code = 0;
    std::string line; // all bytes that the console's device was given
    uint64_t points = 0;
};

// Boots the kernel, lets it run until the machine is switched off, and asks the judge. Whatever else happens
// ends the process with a message that names the seed.
void run(const Plan& plan, const std::function<void(const Ending&)>& judge);

// ---- for what runs on the machine ----

// A place where another core may run, and an interrupt be taken.
void point();
[[nodiscard]] uint64_t now();
[[nodiscard]] uint32_t this_core();
// The seed's next number, below `limit`.
[[nodiscard]] uint64_t draw(uint64_t limit);
[[noreturn]] void fail(const std::string& what);
void check(bool holds, const char* what);

// ---- for who looks at it from outside ----

// Is the core out of the kernel, or waiting: is what it owns settled?
[[nodiscard]] bool settled(uint32_t core);
// Is it in interrupts_wait?
[[nodiscard]] bool waits(uint32_t core);
[[nodiscard]] void* local_of(uint32_t core);
[[nodiscard]] uint64_t timer_of(uint32_t core);
// The machine has called power_off, or stopped: nothing is settled any more.
[[nodiscard]] bool is_off();

// Bytes of the machine's memory, for the kernel's own table of it.
inline constexpr uint64_t memory_size = 6U << 20;
inline constexpr uint64_t physical_base = 0x8000'0000;

// While one lives nothing moves, although the kernel's own functions are called.
class [[nodiscard]] Looking {
  public:
    Looking();
    ~Looking();
    Looking(const Looking&) = delete;
    Looking& operator=(const Looking&) = delete;
};

// Provided by the checker: called between points, with the core that has just run.
void look(uint32_t core);
// What each fiber is at, for a report.
[[nodiscard]] std::string describe_fibers();
// At the end of a run, when nobody maps: every page is free, or some fiber's that got it; at most so many
// are.
// Of the cell's fibers the first alone is anywhere but in its slot.
void check_alone();
void check_pages(uint64_t most_held);
// The low end of a fiber's pooled stack.
[[nodiscard]] void* stack_of(uint64_t id);
// Does the context belong to a fiber that will go on?
[[nodiscard]] bool will_go_on(const hal_context* context);
// The core goes there now.
void goes_to(const hal_context* context);
// A fiber goes on after an interrupt: nothing of a higher tier may be ready.
void went_on(uint32_t core);

} // namespace rumpk::simulated
