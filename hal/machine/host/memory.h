// SPDX-License-Identifier: Apache-2.0
// RAM of this machine: one memory file, which stands whole at direct_map and page
// by page where `map` puts it.
#ifndef RUMPK_HAL_MACHINE_HOST_MEMORY_H
#define RUMPK_HAL_MACHINE_HOST_MEMORY_H

#include <stdint.h>

namespace rumpk::hal {

// The physical address of RAM's first byte. Made up, and unlike any virtual address
// in use, so that one taken for the other is noticed.
constexpr uint64_t memory_base = 0x8000'0000;

// Where RAM can be touched whole. Far from what a program, its libraries, its heap
// and the kernel use, and in the middle of what AddressSanitizer can shadow.
constexpr uint64_t memory_view = 0x2000'0000'0000;

constexpr uint64_t memory_smallest = 1ull << 20;
constexpr uint64_t memory_largest = 1ull << 40;

// Ends the process if there is no such memory.
void memory_make(uint64_t size);

int map(uint64_t address, uint64_t physical, uint64_t size, uint32_t rights);
int protect(uint64_t address, uint64_t size, uint32_t rights);
int unmap(uint64_t address, uint64_t size);
void code_written(uint64_t address, uint64_t size);

} // namespace rumpk::hal

#endif
