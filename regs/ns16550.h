// SPDX-License-Identifier: Apache-2.0
//
// Registers of the 16550A serial port (National Semiconductor PC16550D data sheet, chapter 8): bytes, side by
// side.
#pragma once

#include <cstdint>

namespace rumpk::regs {

struct Ns16550 {
    static constexpr uint32_t fifo_size = 16;
    // 8.0, table II, without the divisor latch
    static constexpr uint32_t data = 0;
    static constexpr uint32_t interrupt_enable = 1;
    static constexpr uint32_t fifo_control = 2;
    static constexpr uint32_t modem_control = 4;
    static constexpr uint32_t line_status = 5;
    static constexpr uint32_t scratch = 7; // 8.10: does nothing
    // 8.4
    static constexpr uint8_t status_input = 1 << 0;
    static constexpr uint8_t status_output_empty = 1 << 5;
    static constexpr uint8_t status_idle = 1 << 6;
    // 8.5: at 14 of 16 bytes, or four characters' time after the last one
    static constexpr uint8_t fifo_on = 1 << 0;
    static constexpr uint8_t fifo_trigger_14 = 3 << 6;
    // 8.7
    static constexpr uint8_t interrupt_input = 1 << 0;
    static constexpr uint8_t interrupt_output = 1 << 1;
    // 8.8: DTR, RTS, and OUT2, which gates the interrupt line on PCs
    static constexpr uint8_t modem_ready = 1 << 0 | 1 << 1 | 1 << 3;
};

} // namespace rumpk::regs
