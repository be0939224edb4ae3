// SPDX-License-Identifier: Apache-2.0
// What the fibers of the simulation know of each other, and what follows from it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>

#include "abi/call.h"
#include "tests/unit/simulation/life.h"

namespace rumpk::simulated {

inline constexpr uint64_t most_lives = 180;

struct Life {
    uint64_t born = 0; // when it was asked for
    uint64_t id = 0;   // 0: nobody has learned it yet
    uint32_t core = 0;
    uint32_t tier = 0;
    const char* in = nullptr; // the call that it is in
    bool begun = false;
    bool finished = false;  // it has done what it wanted, or what ends it
    bool refused = false;   // spawn said no
    bool budgeted = false;  // it ends when it has used up its budget for the third time
    bool hunted = false;    // somebody has tried to kill it
    uint64_t watchers = 0;  // who have asked to be rung at its end
    uint64_t watcher = 0;   // the only one, where the kernel has said yes
    bool dead = false;      // somebody was told that it is killed
    bool parked = false;    // waits for a bell without a deadline
    uint64_t pages = 0;     // that it has mapped
    uint64_t rung = 0;      // counted up before each bell
    uint64_t seen = 0;      // the count as the fiber knows it
    uint64_t must_hear = 0; // the highest count whose bell was rung for sure
};

// A fiber's memory for what calls read: in the cell's window.
struct Scratch {
    rumpk_spawn_args spawn;
    uint64_t ids[RUMPK_PEERS_MAX];
    rumpk_meta_fiber described;
    std::byte bytes[64];
};

struct Books {
    LifePlan plan;
    LifeReport report;
    std::array<Life, most_lives> lives{};
    uint64_t lives_begun = 1; // the first is the first fiber
    uint64_t prey = 0;        // whom somebody was after last
    uint32_t home_core = 0;
    std::string got;    // of the input, by all lives of the cell
    bool chaos = false; // everybody may do everything
    bool stop = false;
    bool end_chosen = false;
};

[[nodiscard]] Books& the_books();
[[nodiscard]] Scratch& scratch(uint64_t life);
[[nodiscard]] inline uint64_t scratch_address(const void* at) {
    return reinterpret_cast<uintptr_t>(at);
}

void begin_life(uint64_t self);
void know_id(uint64_t life, uint64_t id);
// Who was told to be dead does not run, and every fiber runs on its own core.
void check_alive(uint64_t self);
// Before and after every call.
void enter_call(uint64_t self, const char* name);
void leave_call(uint64_t self);

template <typename Call>
int64_t in_call(uint64_t self, const char* name, Call&& call) {
    enter_call(self, name);
    const int64_t result = call();
    leave_call(self);
    return result;
}

// The first fiber. Ends the cell.
void look_after_all();
void spawn_from(uint64_t self);

} // namespace rumpk::simulated
