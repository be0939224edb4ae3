// SPDX-License-Identifier: Apache-2.0
//
// What the cells of the relay have agreed on.
#pragma once

#include <cstdint>

#include <nexus/peer.h>

namespace relay {

struct Number {
    uint64_t value;
    uint64_t echoed;
};

// Where the rings stand: RUMPK_WINDOW_CHANNELS of abi/image.h, in the sender's window.
constexpr uint64_t there = RUMPK_WINDOW_A + 0x07f80000;
constexpr uint64_t back = RUMPK_WINDOW_A + 2 * RUMPK_WINDOW_SIZE + 0x07f80000;

} // namespace relay
