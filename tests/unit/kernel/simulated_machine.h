// SPDX-License-Identifier: Apache-2.0
// A machine of one core in virtual time, for the scheduler's tests. Interrupts
// come where a real one could take them: whenever they are unmasked, and while
// the core waits. When exactly is drawn from a seed, so that every run replays.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "core/scheduler.h"

namespace rumpk::simulated {

class Machine {
  public:
    explicit Machine(uint64_t seed);
    ~Machine();
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    // A fiber that runs `body`, then leaves. Not yet ready.
    Fiber& fiber(Tier tier, std::function<void()> body);
    // Gives it a budget: so many microseconds in each window of so many.
    Budget& budget(Fiber& fiber, uint32_t run, uint32_t window, bool demotable);
    // Runs until nothing is ready and nothing is pending. False: it did not end
    // within `steps` chances for an interrupt.
    bool run(uint64_t most);

    // Called by fibers. A place where an interrupt may come.
    void chance();
    // A device interrupts once, at a moment the seed chooses, and calls `handler` masked.
    void interrupt_later(std::function<void()> handler);

    static constexpr size_t deadline_blocks = DeadlineStorage::blocks_for(1000, tier_count);
    std::array<DeadlineStorage::Block, deadline_blocks> deadlines{}; // scheduler's, as these
    std::array<DeadlineStorage::Block*, DeadlineStorage::pointers_for(deadline_blocks, tier_count)>
        deadline_pointers{};
    Scheduler scheduler;
    uint64_t timer_sets = 0;
    const void* interrupt_stack = nullptr; // as the scheduler has told
    std::vector<Fiber*> ended_by_budget;
    std::deque<Budget> accounts;
};

// The one machine there is; what a panic in the code under test said ends the process.
[[nodiscard]] Machine& the_machine();

// What fibers of a test do.
constexpr uint64_t steps = 1'000'000; // for run()

inline Instant later(uint64_t nanoseconds) {
    return Instant{machine().now() + nanoseconds};
}

inline uint64_t wait(uint64_t channels, Instant deadline) {
    const InterruptsMasked masked;
    return this_scheduler().wait(channels, deadline);
}

inline void ring(Fiber& fiber, uint64_t channels) {
    const InterruptsMasked masked;
    this_scheduler().ring(fiber, channels);
    this_scheduler().reschedule();
}

} // namespace rumpk::simulated
