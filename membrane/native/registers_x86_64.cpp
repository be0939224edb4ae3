// SPDX-License-Identifier: Apache-2.0
// Ordering: registers are uncached memory, which the processor keeps in order with all other (Intel SDM,
// volume 3, 12.3); the compiler is held by the statements that may touch any memory.
#include "nexus/device.h"

namespace nexus::detail {

uint32_t read_register(uint64_t address) {
    const uint32_t value = *reinterpret_cast<const volatile uint32_t*>(static_cast<uintptr_t>(address));
    asm volatile("" ::: "memory");
    return value;
}

void write_register(uint64_t address, uint32_t value) {
    asm volatile("" ::: "memory");
    *reinterpret_cast<volatile uint32_t*>(static_cast<uintptr_t>(address)) = value;
}

uint8_t read_byte_register(uint64_t address) {
    const uint8_t value = *reinterpret_cast<const volatile uint8_t*>(static_cast<uintptr_t>(address));
    asm volatile("" ::: "memory");
    return value;
}

void write_byte_register(uint64_t address, uint8_t value) {
    asm volatile("" ::: "memory");
    *reinterpret_cast<volatile uint8_t*>(static_cast<uintptr_t>(address)) = value;
}

} // namespace nexus::detail
