// SPDX-License-Identifier: Apache-2.0
//
// The 16550A serial port (regs/ns16550.h). Rate and framing stay as firmware set them.
#pragma once

#include <cstdint>

#include "drivers/uart/console_driver.h"
#include "nexus/device.h"
#include "regs/ns16550.h"

namespace uart {

class Ns16550 : rumpk::regs::Ns16550 { // by their names
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
