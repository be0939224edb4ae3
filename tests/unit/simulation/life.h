// SPDX-License-Identifier: Apache-2.0
// What runs on the simulated machine: a first fiber that looks after all others, and those, which do
// whatever fibers do to each other, as the seed says. It uses the calls alone, and keeps books of what they
// answered: what was rung, who was killed, who must have run.
#pragma once

#include <cstdint>
#include <string>

namespace rumpk::simulated {

enum class End : uint32_t {
    all_done,  // the first fiber has seen everybody end, and nothing leaks
    cell_ends, // somebody, anywhere, ends the cell in the midst of it
    panics,    // stacks overflow, on one core or on several at once
    anew,      // as cell_ends, some times, and the cell begins anew; the last life ends as in all_done
};

struct LifePlan {
    End end = End::all_done;
    uint32_t rounds = 4;      // in which the first fiber spawns
    uint32_t most_turns = 40; // of a life
    uint32_t slots = 8;
    uint32_t home_tier = 2;
    uint32_t tier_ceiling = 0;
    uint32_t cores = 1;
    uint32_t restarts = 0; // of End::anew
    uint32_t budgets = 0;  // of the cell
    bool pledged = false;  // who calls unveil ends
    bool beside = false;   // there is another cell
    std::string input;     // what the first fiber must get
};

struct LifeReport {
    uint32_t code = 0;  // the machine must end with
    std::string output; // of the cell: this, or a beginning of it where it did not end by itself
    uint32_t lives = 0;
    uint32_t killed = 0;
    uint32_t broken = 0;  // pledges, of which the kernel has said so
    uint32_t overran = 0; // fibers seen with two strikes or more
    uint32_t anew = 0;    // times that the cell has begun anew
};

// Before the machine runs.
void plan_lives(const LifePlan& plan);
// The entry of every fiber.
void live(uint64_t argument);
// After it has.
[[nodiscard]] const LifeReport& report_of_lives();

} // namespace rumpk::simulated
