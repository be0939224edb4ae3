// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/simulation/beside.h"

#include <algorithm>
#include <array>

#include "abi/image.h"
#include "core/calls.h"
#include "tests/unit/simulation/kernel.h"
#include "tests/unit/simulation/machine.h"

namespace rumpk::simulated {
namespace {

constexpr uint64_t first_argument = 0;
constexpr uint64_t its_slot = 4; // of the first cell, which manages it
constexpr uint64_t longest_sleep = 400'000'000;

// In the heap, which is scrubbed when the cell begins anew. Read by the kernel where calls say so.
struct Memory {
    uint64_t used;
    rumpk_spawn_args spawn;
};

struct Beside {
    uint32_t home_tier = 0;
    uint32_t tier_ceiling = 0;
    uint32_t cores = 1;
    uint64_t begun = 0;
    uint64_t turns = 0; // of all: the more there were, the longer is slept, so that every run ends
} beside;

Memory& memory() {
    return *reinterpret_cast<Memory*>(RUMPK_WINDOW_A + RUMPK_WINDOW_SIZE + program_size);
}

template <typename Call>
int64_t in_call(Call&& call) {
    point();
    const int64_t result = call();
    went_on(this_core());
    point();
    return result;
}

void spawn_one() {
    rumpk_spawn_args& args = memory().spawn;
    args = {};
    args.size = sizeof args;
    args.flags = RUMPK_SPAWN_BARE;
    args.entry = entry_address() + RUMPK_WINDOW_SIZE;
    args.argument = 1;
    args.tier = static_cast<uint32_t>(beside.tier_ceiling + draw(RUMPK_TIER_COUNT - beside.tier_ceiling));
    args.core =
        beside.cores == 1 || draw(3) == 0 ? RUMPK_SPAWN_ANY_CORE : static_cast<uint32_t>(draw(beside.cores));
    const int64_t id = in_call([&] { return rumpk_call_spawn(reinterpret_cast<uintptr_t>(&args)); });
    check(id > 0 || id == -RUMPK_ENOMEM, "spawn beside gives another error than ENOMEM");
}

void sleep() {
    const uint64_t until =
        now() + draw(std::min(20'000 * (1 + beside.turns * beside.turns / 64), longest_sleep));
    const int64_t slept = in_call([&] { return rumpk_call_yield(0, 0, until, 0, 0, 0); });
    check(slept == 0 && now() >= until, "a deadline beside has passed before its time");
}

} // namespace

void plan_beside(uint32_t home_tier, uint32_t tier_ceiling, uint32_t cores) {
    beside = {home_tier, tier_ceiling, cores, 0, 0};
}

void live_beside(uint64_t argument) {
    if (argument == first_argument) {
        check(beside.begun == 0 || memory().used == 0, "memory beside of the life before");
        ++beside.begun;
        memory().used = 1;
    }
    const uint64_t last = argument == first_argument ? ~uint64_t{0} : draw(40);
    for (uint64_t turn = 0; turn < last; ++turn) {
        ++beside.turns;
        switch (draw(8)) {
        case 0:
            spawn_one();
            break;
        case 1:
            (void)in_call([] { return rumpk_call_yield(0, 0, 0, 0, 0, 0); });
            break;
        case 2:
            if (draw(16) == 0) {
                (void)in_call([] { return rumpk_call_halt(0, RUMPK_SCOPE_CELL); });
                fail("the cell beside was ended and goes on");
            }
            break;
        case 3:
            for (uint64_t left = draw(30); left > 0; --left) {
                point();
            }
            break;
        default:
            sleep();
        }
    }
}

void end_beside() {
    const int64_t ended = rumpk_call_kill(its_slot, 7);
    check(ended == 0 || ended == -RUMPK_ESRCH, "a cell's end from outside gives another error than ESRCH");
}

uint64_t begun_beside() {
    return beside.begun;
}

} // namespace rumpk::simulated
