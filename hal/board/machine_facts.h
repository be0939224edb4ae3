// SPDX-License-Identifier: Apache-2.0
//
// What a machine folder tells hal/board and its architecture: facts, no flow.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hal/board/layout.h"

namespace rumpk::hal {

struct MachineFacts {
    // What to say when a store to the kernel's own memory faults: a whole line.
    const char* no_memory;
    // Physical address of the device that an end before the device tree was read goes through, and
    // whose kind the architecture knows; 0: none.
    uint64_t early_device;
    const char* name;
    // Bytes of memory below which the machine refuses to start.
    uint64_t least_memory;
    // Nothing of the machine's memory begins below: `map` gives out what is lower.
    uint64_t memory_floor;
};
static_assert(offsetof(MachineFacts, no_memory) == FACTS_NO_MEMORY);
static_assert(offsetof(MachineFacts, early_device) == FACTS_EARLY_DEVICE);

extern "C" const MachineFacts machine_facts;

} // namespace rumpk::hal
