// SPDX-License-Identifier: Apache-2.0
// Ordering: Arm ARM, DDI 0487, B2.7. Normal memory against a device is ordered by barriers alone; two
// accesses to one device stay in order by themselves. In assembly, so that each is from a base register
// alone.
#include "nexus/device.h"

namespace nexus::detail {

uint32_t read_register(uint64_t address) {
    uint32_t value = 0;
    asm volatile("ldr %w0, [%1]\n\tdmb oshld" : "=r"(value) : "r"(address) : "memory");
    return value;
}

void write_register(uint64_t address, uint32_t value) {
    asm volatile("dmb oshst\n\tstr %w0, [%1]" ::"r"(value), "r"(address) : "memory");
}

uint8_t read_byte_register(uint64_t address) {
    uint32_t value = 0;
    asm volatile("ldrb %w0, [%1]\n\tdmb oshld" : "=r"(value) : "r"(address) : "memory");
    return static_cast<uint8_t>(value);
}

void write_byte_register(uint64_t address, uint8_t value) {
    asm volatile("dmb oshst\n\tstrb %w0, [%1]" ::"r"(value), "r"(address) : "memory");
}

} // namespace nexus::detail
