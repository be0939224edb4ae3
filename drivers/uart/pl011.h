// SPDX-License-Identifier: Apache-2.0
//
// The serial port PrimeCell UART PL011 (regs/pl011.h). Rate and format stay as firmware set them.
#pragma once

#include <cstdint>

#include "drivers/uart/console_driver.h"
#include "nexus/device.h"
#include "regs/pl011.h"

namespace uart {

class Pl011 : rumpk::regs::Pl011 { // by their names
  public:
    explicit Pl011(const nexus::Device& device) : device_(device) {}

    // Port and FIFOs on, what has arrived still in them; no interrupts.
    [[nodiscard]] bool begin() const {
        uint32_t id = 0;
        for (uint32_t byte = 0; byte < 4; ++byte) {
            id |= (device_.read(cell_id + 4 * byte) & 0xff) << 8 * byte;
        }
        if (id != primecell) {
            return false;
        }
        device_.write(interrupt_mask, 0);
        device_.write(line_control, device_.read(line_control) | fifo_on);
        // An interrupt as soon as there is something: at an eighth, and after 32 bits of silence.
        device_.write(fifo_levels, 0);
        device_.write(control, port_on | transmit_on | receive_on);
        return true;
    }

    // The interrupt stands from the moment at which the FIFO drains to its level: one of an earlier filling
    // is forgotten before each byte, so that the one of this filling comes after the last.
    [[nodiscard]] bool takes_more() const {
        if ((device_.read(flags) & flag_full) != 0) {
            return false;
        }
        device_.write(interrupt_clear, interrupt_output);
        return true;
    }
    void put(uint8_t byte) const { device_.write(data, byte); }

    [[nodiscard]] bool has_more() const { return (device_.read(flags) & flag_no_input) == 0; }
    [[nodiscard]] uint8_t get() const { return static_cast<uint8_t>(device_.read(data)); }

    void want(Wish wish) {
        const uint32_t wanted = (wish.input ? interrupt_input : 0) | (wish.room ? interrupt_output : 0);
        if (wanted != enabled_) {
            enabled_ = wanted;
            device_.write(interrupt_mask, wanted);
        }
    }

  private:
    nexus::Device device_;
    uint32_t enabled_ = 0; // what is in the register
};

} // namespace uart
