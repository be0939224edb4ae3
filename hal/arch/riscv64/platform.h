// SPDX-License-Identifier: Apache-2.0
//
// What is done by other means in supervisor mode under a firmware (supervisor/) and in
// machine mode (machine/).
#pragma once

#include <cstdint>

#include "hal/board/core.h"
#include "hal/devicetree/machine_tree.h"

namespace rumpk::hal::platform {

// As long as the serial port of the tree is not there. Polls.
void early_put(uint8_t byte);
// Where there is no test finisher. Returns only where the machine cannot.
void off(bool failed);

// Of the timebase, and this core's alone. all ones: never. Clears an interrupt that is pending.
const char* timer_begin(const MachineTree& tree);
void timer_program(uint64_t ticks);

// Has the core begin in hal_secondary_main. What it will read has been written (core_bring_up).
[[nodiscard]] int start(Core& core);
// Of the devices that the tree names: what it takes to ring cores. False: they fit nowhere. [boot]
[[nodiscard]] bool bells_begin(const MachineTree& tree);
// A software interrupt of that core, who then sees what this one has stored before.
void ring(const Core& core);
// This core has taken its software interrupt: the next ring raises another. [masked]
void bell_taken();

} // namespace rumpk::hal::platform
