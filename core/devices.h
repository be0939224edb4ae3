// SPDX-License-Identifier: Apache-2.0
// Devices that cells drive (parts::views): what boot grants each, and what the kernel has at its own ends of
// channels with drivers: their devices' interrupts, and the entropy that one of them may bring.
// docs/decisions/drivers.md says what is whose.
//
// All of it belongs to the core that boots. Masked but for boot and a restart.
#pragma once

#include <array>

#include "core/boot_table.h"
#include "core/cell.h"
#include "core/channels.h"

namespace rumpk {

struct Device {
    const Cell* cell = nullptr; // nullptr: the machine has none
    rumpk_meta_device facts{};  // as its driver is told
    uint64_t physical = 0;      // of its registers
    uint32_t line = 0;          // interrupt line
    bool quiet = false;         // it has interrupted, and its driver has not released the message yet
    uint64_t interrupts = 0;
    Channel* channel = nullptr; // on which the kernel tells of them
};

// Boot only, once interrupts have somewhere to go. A device that the machine has not is a line and nobody's;
// what cannot be granted ends the boot.
void start_devices(const BootTable& table);

// What the driver's view shows of it besides its channel: registers and memory.
[[nodiscard]] std::array<AddressRange, 2> shown_of(const Device& device);
// Is it the one of the machine's console?
[[nodiscard]] bool is_consoles(const Device& device);

// Of a cell's slot; nullptr: it holds none.
[[nodiscard]] const Device* device_at(const Cell& cell, uint32_t slot);

// In the interrupt. False: the line is no such device's. The line stays quiet until the message is released.
[[nodiscard]] bool hear_device(uint32_t line);

// A driver has rung the kernel's end of that channel: it has released the interrupt's message, ...
void device_released(Channel& channel);
// ... or has sent entropy: a few messages are mixed into `random`, and one that is none closes the channel.
void take_entropy(Channel& channel);

// The cell begins anew: what it shared with devices is zeroed, its channels with the kernel are as they were
// made, and an interrupt that was under way is told again. The device itself is the new driver's to reset.
void renew_devices_of(const Cell& cell);

} // namespace rumpk
