// SPDX-License-Identifier: Apache-2.0
//
// The 16550A serial port (regs/ns16550.h). Rate and framing stay as firmware set them.
//
// Interrupts say what the last `read` and `write` asked for: see there.
#pragma once

#include <initializer_list>

#include "hal/device/register_access.h"
#include "regs/ns16550.h"

namespace rumpk::hal {

template <RegisterAccess Access>
class Ns16550 : regs::Ns16550 { // by their names
  public:
    using regs::Ns16550::fifo_size;

    constexpr Ns16550() = default;

    // registers: address of the first; 0: there is no port.
    explicit constexpr Ns16550(uint64_t registers) : registers_(registers) {}

    bool present() const { return registers_ != 0; }

    // FIFOs on, what has arrived still in them; no interrupts, the interrupt line connected.
    // False: nothing there behaves like a port.
    [[nodiscard]] bool begin() {
        for (uint8_t pattern : {uint8_t{0x55}, uint8_t{0xaa}}) {
            write_register(scratch, pattern);
            if (read_register(scratch) != pattern) {
                return false;
            }
        }
        write_register(interrupt_enable, 0);
        write_register(fifo_control, fifo_on | fifo_trigger_14);
        write_register(modem_control, modem_ready);
        return true;
    }

    // Takes what has arrived, up to size. Less than size: an interrupt says when more comes. All
    // of it: none does, so a reader that is full, or asks for nothing, leaves the bytes where
    // they are; the FIFO fills, and the sender waits.
    uint64_t read(uint8_t* buffer, uint64_t size) {
        uint64_t count = 0;
        while (count < size && (read_register(line_status) & status_input) != 0) {
            buffer[count++] = read_register(data);
        }
        enable(count < size ? enable_ | interrupt_input : enable_ & ~interrupt_input);
        return count;
    }

    // Gives what fits now. Less than size: an interrupt says when there is room. All of it: none does.
    uint64_t write(const uint8_t* buffer, uint64_t size) {
        uint64_t count = 0;
        while (count < size && output_empty()) {
            count += fill(buffer + count, size - count);
        }
        // Off and on again: going from off to on asserts the interrupt if the FIFO has become
        // empty since the status was read; left on, that moment could be missed.
        enable(enable_ & ~interrupt_output);
        if (count < size) {
            enable(enable_ | interrupt_output);
        }
        return count;
    }

    // All of it, polling; touches no interrupt.
    void put(const uint8_t* buffer, uint64_t size) {
        for (uint64_t count = 0; count < size;) {
            while (!output_empty()) {
            }
            count += fill(buffer + count, size - count);
        }
    }

    // Polls until the last bit has left.
    void flush() {
        while ((read_register(line_status) & status_idle) == 0) {
        }
    }

  private:
    uint8_t read_register(uint32_t index) const { return Access::read8(registers_ + index); }
    void write_register(uint32_t index, uint8_t value) { Access::write8(registers_ + index, value); }

    // The status says "empty", never how full: when it does, a FIFO's worth fits.
    bool output_empty() const { return (read_register(line_status) & status_output_empty) != 0; }
    uint64_t fill(const uint8_t* buffer, uint64_t size) {
        uint64_t count = size < fifo_size ? size : fifo_size;
        for (uint64_t index = 0; index < count; ++index) {
            write_register(data, buffer[index]);
        }
        return count;
    }

    void enable(uint32_t wanted) {
        auto interrupts = static_cast<uint8_t>(wanted);
        if (interrupts != enable_) {
            enable_ = interrupts;
            write_register(interrupt_enable, interrupts);
        }
    }

    uint64_t registers_ = 0;
    uint8_t enable_ = 0; // what is in the register
};

} // namespace rumpk::hal
