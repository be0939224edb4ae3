// SPDX-License-Identifier: Apache-2.0
//
// Device registers, for the drivers of hal/device. The only volatile accesses of
// the HAL.
//
// Ordering (unprivileged specification, 2.7 FENCE and the I/O chapter of RVWMO):
// the machine's registers are I/O memory, and two accesses of one hart to one
// device stay in program order by themselves (strongly ordered I/O regions of the
// platform). Main memory against I/O is not ordered, so
//   - before a write, FENCE w,o: what was stored for the device or for another
//     core to see is visible before the device is told. Without it a device, or a
//     core that is woken through one, could read the old memory.
//   - after a read, FENCE i,r: a load that follows cannot be taken from before
//     the register said that there is something to load. Without it data behind
//     "done" could be stale.
#pragma once

#include <cstdint>

namespace rumpk::hal {

struct Mmio {
    static uint8_t read8(uint64_t address) { return read<uint8_t>(address); }
    static uint32_t read32(uint64_t address) { return read<uint32_t>(address); }
    static void write8(uint64_t address, uint8_t value) { write(address, value); }
    static void write32(uint64_t address, uint32_t value) { write(address, value); }

  private:
    template <typename Word>
    static Word read(uint64_t address) {
        Word value = *reinterpret_cast<const volatile Word*>(address);
        asm volatile("fence i, r" ::: "memory");
        return value;
    }
    template <typename Word>
    static void write(uint64_t address, Word value) {
        asm volatile("fence w, o" ::: "memory");
        *reinterpret_cast<volatile Word*>(address) = value;
    }
};

} // namespace rumpk::hal
