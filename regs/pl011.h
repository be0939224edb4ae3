// SPDX-License-Identifier: Apache-2.0
//
// Registers of the serial port PrimeCell UART PL011 (Arm DDI 0183, chapter 3): 32 bits each.
#pragma once

#include <cstdint>

namespace rumpk::regs {

struct Pl011 {
    // Table 3-1
    static constexpr uint32_t data = 0x00;
    static constexpr uint32_t flags = 0x18;
    static constexpr uint32_t line_control = 0x2c;
    static constexpr uint32_t control = 0x30;
    static constexpr uint32_t fifo_levels = 0x34;
    static constexpr uint32_t interrupt_mask = 0x38;
    static constexpr uint32_t interrupt_clear = 0x44;
    static constexpr uint32_t cell_id = 0xff0;
    static constexpr uint32_t primecell = 0xb105f00d; // 3.3.19
    // 3.3.3
    static constexpr uint32_t flag_busy = 1 << 3;
    static constexpr uint32_t flag_no_input = 1 << 4;
    static constexpr uint32_t flag_full = 1 << 5;
    // 3.3.7, 3.3.8
    static constexpr uint32_t fifo_on = 1 << 4;
    static constexpr uint32_t port_on = 1 << 0;
    static constexpr uint32_t transmit_on = 1 << 8;
    static constexpr uint32_t receive_on = 1 << 9;
    // 3.3.10: input comes at the FIFO's level, or by time-out below it
    static constexpr uint32_t interrupt_input = 1 << 4 | 1 << 6;
    static constexpr uint32_t interrupt_output = 1 << 5;
};

} // namespace rumpk::regs
