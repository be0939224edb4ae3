// SPDX-License-Identifier: Apache-2.0
//
// Console, device interrupts and the machine's end. See abi/hal.h for the table's functions.
#pragma once

#include <cstdint>

#include "hal/devicetree/machine_tree.h"

namespace rumpk::hal {

// Maps and starts what the tree names. [boot] nullptr, or what is wrong.
[[nodiscard]] const char* devices_begin(const MachineTree& tree);
// The devices cannot be used, not even for a report: from now on firmware prints. [any]
void devices_distrust();
// This core's context at the interrupt controller starts empty. [masked]
void device_lines_begin();
// Nanoseconds since 1970-01-01 UTC; 0: no clock chip.
uint64_t wall_clock();

// The external interrupt: returns the line to serve, 0 if there is none. [masked]
uint32_t device_claim();

int device_enable(uint32_t line);
void device_done(uint32_t line);

int64_t console_read(uint8_t* buffer, uint64_t size);
int64_t console_write(uint32_t channel, const uint8_t* buffer, uint64_t size);
void console_put(uint32_t channel, const uint8_t* buffer, uint64_t size);
void console_flush();

[[noreturn]] void power_off(uint32_t code);
// This core does nothing more.
[[noreturn]] void stop();

} // namespace rumpk::hal
