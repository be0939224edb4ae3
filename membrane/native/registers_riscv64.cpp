// SPDX-License-Identifier: Apache-2.0
// Ordering: unprivileged specification, 2.7 FENCE. Main memory against I/O is ordered by fences alone; two
// accesses to one device stay in order by themselves.
#include "nexus/device.h"

namespace nexus::detail {

uint32_t read_register(uint64_t address) {
    const uint32_t value = *reinterpret_cast<const volatile uint32_t*>(static_cast<uintptr_t>(address));
    asm volatile("fence i, r" ::: "memory");
    return value;
}

void write_register(uint64_t address, uint32_t value) {
    asm volatile("fence w, o" ::: "memory");
    *reinterpret_cast<volatile uint32_t*>(static_cast<uintptr_t>(address)) = value;
}

uint8_t read_byte_register(uint64_t address) {
    const uint8_t value = *reinterpret_cast<const volatile uint8_t*>(static_cast<uintptr_t>(address));
    asm volatile("fence i, r" ::: "memory");
    return value;
}

void write_byte_register(uint64_t address, uint8_t value) {
    asm volatile("fence w, o" ::: "memory");
    *reinterpret_cast<volatile uint8_t*>(static_cast<uintptr_t>(address)) = value;
}

} // namespace nexus::detail
