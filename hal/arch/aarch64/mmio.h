// SPDX-License-Identifier: Apache-2.0
//
// Device registers, for the drivers of hal/device. The only accesses to
// them in the HAL.
//
// Ordering (Arm ARM, DDI 0487, B2.7): registers are mapped Device-nGnRE, and two
// accesses of one core to one device stay in program order by themselves. Normal
// memory against a device is not ordered, so
//   - before a write, DMB OSHST: what was stored for the device or for another
//     core to see is visible before the device is told.
//   - after a read, DMB OSHLD: a load that follows cannot be taken from before the
//     register said that there is something to load.
#pragma once

#include <cstdint>

namespace rumpk::hal {

// In assembly, since registers want accesses of exactly their size, from a base register alone
// (so that a hypervisor could decode them).
struct Mmio {
    static uint8_t read8(uint64_t address) {
        uint32_t value;
        asm volatile("ldrb %w0, [%1]\n\tdmb oshld" : "=r"(value) : "r"(address) : "memory");
        return static_cast<uint8_t>(value);
    }
    static void write8(uint64_t address, uint8_t value) {
        asm volatile("dmb oshst\n\tstrb %w0, [%1]" ::"r"(value), "r"(address) : "memory");
    }
    static uint32_t read32(uint64_t address) {
        uint32_t value;
        asm volatile("ldr %w0, [%1]\n\tdmb oshld" : "=r"(value) : "r"(address) : "memory");
        return value;
    }
    static void write32(uint64_t address, uint32_t value) {
        asm volatile("dmb oshst\n\tstr %w0, [%1]" ::"r"(value), "r"(address) : "memory");
    }
    static uint64_t read64(uint64_t address) {
        uint64_t value;
        asm volatile("ldr %0, [%1]\n\tdmb oshld" : "=r"(value) : "r"(address) : "memory");
        return value;
    }
    static void write64(uint64_t address, uint64_t value) {
        asm volatile("dmb oshst\n\tstr %0, [%1]" ::"r"(value), "r"(address) : "memory");
    }
};

} // namespace rumpk::hal
