// SPDX-License-Identifier: Apache-2.0
// Fibers that hold deadlines.
#pragma once

#include <nexus/fiber.h>

namespace crowd {

inline constexpr uint64_t longest = 2'400'000'000; // ns: of 100,000 one is due every few microseconds

inline uint64_t next_random(uint64_t& state) {
    state = state * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
    return state >> 33;
}

inline void sleep_again(uint64_t seed) {
    for (;;) {
        nexus::sleep_for(nexus::Duration(next_random(seed) % longest));
    }
}

// As many as there is room for, or that are wanted. Returns how many.
inline uint64_t spawn_sleepers(uint64_t wanted, uint64_t seed) {
    uint64_t made = 0;
    while (made < wanted && nexus::spawn(sleep_again, seed + made, {.name = "sleeper", .bare = true})) {
        if (++made % 256 == 0) {
            nexus::yield();
        }
    }
    nexus::yield();
    return made;
}

} // namespace crowd
