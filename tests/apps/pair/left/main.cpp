// SPDX-License-Identifier: Apache-2.0
//
// pair LEFT RIGHT: two cells in one image. This one has the console, and with it the image ends. What it does
// is LEFT: `wait` for the other, or what it tries to do to it.
#include <array>
#include <cstring>
#include <string_view>

#include <nexus/fiber.h>
#include <nexus/meta.h>

#include "tests/apps/check.h"
#include "tests/apps/pair/places.h"

namespace {

using namespace std::literals;
using nexus::call::raw;

std::array<uint64_t, 512> own;

// The other has a good while; what is this cell's stays so.
void wait() {
    own.fill(0x1ef7);
    for (int i = 0; i < 20; ++i) {
        nexus::sleep_for(10ms);
    }
    bool same = true;
    for (const uint64_t word : own) {
        same = same && word == 0x1ef7;
    }
    test::check("what is this cell's is as it was", same);
    test::check("it has the console", nexus::meta_capability(2)->kind == RUMPK_CAP_CONSOLE);
    test::check("it may halt the machine", nexus::meta_capability(3)->kind == RUMPK_CAP_MACHINE);
}

// Of calls, into what is the other's, mapped there and readable for it.
void pointers() {
    bool refused = true;
    for (const uint64_t place : {pair::text, pair::stack, pair::ring}) {
        const uint64_t at = pair::window_of_right + place;
        for (const int64_t answer :
             {raw(RUMPK_CALL_PLEDGE, at), raw(RUMPK_CALL_READ, 0, at, 8), raw(RUMPK_CALL_WRITE, 1, at, 8),
              raw(RUMPK_CALL_RANDOM, at, 8), raw(RUMPK_CALL_META, RUMPK_META_SYSTEM, at, 8),
              raw(RUMPK_CALL_SPAWN, at), raw(RUMPK_CALL_YIELD, 0, 0, 0, RUMPK_YIELD_NOWAIT, at, 2),
              raw(RUMPK_CALL_UNVEIL, at, 8, RUMPK_RIGHT_READ),
              raw(RUMPK_CALL_UNMAP, at / 4096 * 4096, 4096)}) {
            refused = refused && answer == -RUMPK_EFAULT;
        }
    }
    test::check("a pointer to what is the other cell's is EFAULT", refused);
    rumpk_spawn_args args{};
    args.size = sizeof args;
    args.entry = pair::window_of_right + pair::text + 0x200;
    args.tier = RUMPK_TIER_GRAVITY;
    args.core = RUMPK_SPAWN_ANY_CORE;
    test::equal("a fiber that runs the other's code is EFAULT",
                raw(RUMPK_CALL_SPAWN, nexus::call::address(&args)), -RUMPK_EFAULT);
}

// The other has a second fiber; this one has none, and an id says nothing of a cell.
void kill() {
    int64_t answer = -RUMPK_ESRCH;
    for (uint64_t slot = 1; slot < 4; ++slot) {
        for (uint64_t generation = 1; generation < 4; ++generation) {
            const int64_t one = raw(RUMPK_CALL_KILL, generation << 32 | slot, 9);
            answer = one != -RUMPK_ESRCH ? one : answer;
        }
    }
    test::equal("ids of the other's fibers name nobody", answer, -RUMPK_ESRCH);
    nexus::sleep_for(50ms); // the other would say that its fiber is gone
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    nexus::sleep_for(20ms); // the other has begun
    if (what == "read") {
        (void)pair::read_at(pair::window_of_right + pair::text);
    } else if (what == "write") {
        pair::write_at(pair::window_of_right + pair::ring);
    } else if (what == "pointers") {
        pointers();
    } else if (what == "kill") {
        kill();
    } else if (what == "fault") {
        (void)pair::read_at(0);
    } else if (what == "wait") {
        wait();
    } else {
        return 9;
    }
    return test::result();
}
