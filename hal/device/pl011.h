// SPDX-License-Identifier: Apache-2.0
//
// The serial port PrimeCell UART PL011 (regs/pl011.h). Rate and format stay as firmware set them.
//
// Interrupts say what the last `read` and `write` asked for: see there.
#pragma once

#include "hal/device/register_access.h"
#include "regs/pl011.h"

namespace rumpk::hal {

template <RegisterAccess Access>
class Pl011 : regs::Pl011 { // by their names
  public:
    constexpr Pl011() = default;

    // registers: address of the first; 0: there is no port.
    explicit constexpr Pl011(uint64_t registers) : registers_(registers) {}

    bool present() const { return registers_ != 0; }

    // Port and FIFOs on, what has arrived still in them; no interrupts. False: nothing there
    // says that it is a PL011.
    [[nodiscard]] bool begin() {
        uint32_t id = 0;
        for (uint32_t byte = 0; byte < 4; ++byte) {
            id |= (read_register(cell_id + 4 * byte) & 0xff) << 8 * byte;
        }
        if (id != primecell) {
            return false;
        }
        write_register(interrupt_mask, 0);
        write_register(line_control, read_register(line_control) | fifo_on);
        // An interrupt as soon as there is something: at an eighth, and after 32 bits of silence.
        write_register(fifo_levels, 0);
        write_register(control, port_on | transmit_on | receive_on);
        return true;
    }

    // Takes what has arrived, up to size. Less than size: an interrupt says when more comes. All
    // of it: none does, so a reader that is full, or asks for nothing, leaves the bytes where
    // they are; the FIFO fills, and the sender waits.
    uint64_t read(uint8_t* buffer, uint64_t size) {
        uint64_t count = 0;
        while (count < size && (read_register(flags) & flag_no_input) == 0) {
            buffer[count++] = static_cast<uint8_t>(read_register(data));
        }
        enable(count < size ? enabled_ | interrupt_input : enabled_ & ~interrupt_input);
        return count;
    }

    // Gives what fits now. Less than size: an interrupt says when there is room. All of it: none does.
    uint64_t write(const uint8_t* buffer, uint64_t size) {
        // The interrupt stands from the moment at which the FIFO drains to its level: one of an
        // earlier filling is forgotten first, the one of this filling comes after the last byte.
        write_register(interrupt_clear, interrupt_output);
        uint64_t count = 0;
        while (count < size && (read_register(flags) & flag_full) == 0) {
            write_register(data, buffer[count++]);
        }
        enable(count < size ? enabled_ | interrupt_output : enabled_ & ~interrupt_output);
        return count;
    }

    // All of it, polling; touches no interrupt.
    void put(const uint8_t* buffer, uint64_t size) {
        for (uint64_t count = 0; count < size; ++count) {
            while ((read_register(flags) & flag_full) != 0) {
            }
            write_register(data, buffer[count]);
        }
    }

    // Polls until the last bit has left.
    void flush() {
        while ((read_register(flags) & flag_busy) != 0) {
        }
    }

  private:
    uint32_t read_register(uint32_t offset) const { return Access::read32(registers_ + offset); }
    void write_register(uint32_t offset, uint32_t value) { Access::write32(registers_ + offset, value); }

    void enable(uint32_t wanted) {
        if (wanted != enabled_) {
            enabled_ = wanted;
            write_register(interrupt_mask, wanted);
        }
    }

    uint64_t registers_ = 0;
    uint32_t enabled_ = 0; // what is in the register
};

} // namespace rumpk::hal
