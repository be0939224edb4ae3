// SPDX-License-Identifier: Apache-2.0
//
// The 16550A serial port (National Semiconductor PC16550D data sheet, chapter 8), byte registers side by
// side. Rate and framing stay as firmware set them.
#pragma once

#include <cstdint>

#include "drivers/uart/console_driver.h"
#include "nexus/device.h"

namespace uart {

class Ns16550 {
  public:
    explicit Ns16550(const nexus::Device& device) : device_(device) {}

    // FIFOs on, what has arrived still in them; no interrupts.
    [[nodiscard]] bool begin() {
        for (const uint8_t pattern : {uint8_t{0x55}, uint8_t{0xaa}}) {
            device_.write_byte(scratch, pattern);
            if (device_.read_byte(scratch) != pattern) {
                return false;
            }
        }
        device_.write_byte(interrupt_enable, 0);
        device_.write_byte(fifo_control, fifo_on | fifo_trigger_14);
        device_.write_byte(modem_control, modem_ready);
        return true;
    }

    // The status says "empty", never how full: when it does, a FIFO's worth fits.
    [[nodiscard]] bool takes_more() {
        if (room_ == 0 && (device_.read_byte(line_status) & status_output_empty) != 0) {
            room_ = fifo_size;
        }
        return room_ != 0;
    }
    void put(uint8_t byte) {
        --room_;
        device_.write_byte(data, byte);
    }

    [[nodiscard]] bool has_more() const { return (device_.read_byte(line_status) & status_input) != 0; }
    [[nodiscard]] uint8_t get() const { return device_.read_byte(data); }

    // Room: off and on again, for going from off to on asserts the interrupt if the FIFO has become empty
    // since the status was read; left on, that moment could be missed.
    void want(Wish wish) {
        const auto input = static_cast<uint8_t>(wish.input ? interrupt_input : 0);
        enable(input);
        if (wish.room) {
            enable(input | interrupt_output);
        }
    }

  private:
    // 8.0, table II, without the divisor latch
    static constexpr uint32_t data = 0;
    static constexpr uint32_t interrupt_enable = 1;
    static constexpr uint32_t fifo_control = 2;
    static constexpr uint32_t modem_control = 4;
    static constexpr uint32_t line_status = 5;
    static constexpr uint32_t scratch = 7; // 8.10: does nothing
    static constexpr uint32_t fifo_size = 16;
    // 8.4
    static constexpr uint8_t status_input = 1 << 0;
    static constexpr uint8_t status_output_empty = 1 << 5;
    // 8.5: at 14 of 16 bytes, or four characters' time after the last one
    static constexpr uint8_t fifo_on = 1 << 0;
    static constexpr uint8_t fifo_trigger_14 = 3 << 6;
    // 8.7
    static constexpr uint8_t interrupt_input = 1 << 0;
    static constexpr uint8_t interrupt_output = 1 << 1;
    // 8.8: DTR, RTS, and OUT2, which gates the interrupt line on PCs
    static constexpr uint8_t modem_ready = 1 << 0 | 1 << 1 | 1 << 3;

    void enable(uint8_t interrupts) {
        if (interrupts != enabled_) {
            enabled_ = interrupts;
            device_.write_byte(interrupt_enable, interrupts);
        }
    }

    nexus::Device device_;
    uint32_t room_ = 0;   // bytes that fit without another look
    uint8_t enabled_ = 0; // what is in the register
};

} // namespace uart
