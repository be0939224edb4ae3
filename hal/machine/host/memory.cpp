// SPDX-License-Identifier: Apache-2.0
#include "hal/machine/host/memory.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/hal.h"
#include "hal/machine/host/message.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U // Linux 6.3; older headers do not know it
#endif

namespace rumpk::hal {
namespace {

constexpr uint64_t page = HAL_PAGE_SIZE;

// What `map` may use: all below 4 GiB but the null page and its neighbours, which Linux
// keeps free as well (vm.mmap_min_addr). The rest of the address space is the process's.
constexpr uint64_t lowest = 0x10000;
constexpr uint64_t highest = 1ull << 32; // end exclusive

constinit int memory_file = -1;
constinit uint64_t memory_size = 0;

// One bit a page of [0, highest): `map` has put something there. What is not ours, a library's
// say, is never changed or taken away.
constinit uint64_t mapped[highest / page / 64] = {};

bool is_mapped(uint64_t number) {
    return (mapped[number / 64] >> (number % 64) & 1) != 0;
}

void mark(uint64_t address, uint64_t size, bool present) {
    for (uint64_t number = address / page; number < (address + size) / page; number++) {
        uint64_t bit = 1ull << (number % 64);
        mapped[number / 64] = present ? mapped[number / 64] | bit : mapped[number / 64] & ~bit;
    }
}

bool valid_range(uint64_t address, uint64_t size) {
    return address % page == 0 && size % page == 0 && size > 0 && address >= lowest && address < highest &&
           size <= highest - address;
}

bool valid_rights(uint32_t rights) {
    constexpr uint32_t known = HAL_MAP_READ | HAL_MAP_WRITE | HAL_MAP_EXEC;
    constexpr uint32_t both = HAL_MAP_WRITE | HAL_MAP_EXEC;
    return (rights & ~known) == 0 && (rights & HAL_MAP_READ) != 0 && (rights & both) != both;
}

bool all_mapped(uint64_t address, uint64_t size) {
    for (uint64_t number = address / page; number < (address + size) / page; number++) {
        if (!is_mapped(number)) {
            return false;
        }
    }
    return true;
}

int protection(uint32_t rights) {
    return ((rights & HAL_MAP_READ) != 0 ? PROT_READ : 0) | ((rights & HAL_MAP_WRITE) != 0 ? PROT_WRITE : 0) |
           ((rights & HAL_MAP_EXEC) != 0 ? PROT_EXEC : 0);
}

// Exactly there, or not at all. Kernels before 4.17 take the flag for a hint.
bool map_file(uint64_t address, uint64_t offset, uint64_t size, int rights) {
    void* wanted = reinterpret_cast<void*>(address);
    void* got =
        mmap(wanted, size, rights, MAP_SHARED | MAP_FIXED_NOREPLACE, memory_file, static_cast<off_t>(offset));
    if (got == MAP_FAILED) {
        return false;
    }
    if (got != wanted) {
        munmap(got, size);
        errno = EEXIST;
        return false;
    }
    return true;
}

} // namespace

void memory_make(uint64_t size) {
    memory_file = memfd_create("rumpk", MFD_CLOEXEC | MFD_EXEC);
    if (memory_file < 0) {
        memory_file = memfd_create("rumpk", MFD_CLOEXEC);
    }
    if (memory_file < 0 || ftruncate(memory_file, static_cast<off_t>(size)) != 0) {
        die_errno("no memory of that size");
    }
    if (!map_file(memory_view, 0, size, PROT_READ | PROT_WRITE)) {
        die_errno("memory cannot stand at 0x200000000000");
    }
    memory_size = size;
}

int map(uint64_t address, uint64_t physical, uint64_t size, uint32_t rights) {
    if (!valid_range(address, size) || !valid_rights(rights) || physical % page != 0 ||
        physical < memory_base || physical - memory_base >= memory_size ||
        size > memory_size - (physical - memory_base)) {
        return -RUMPK_EINVAL;
    }
    for (uint64_t number = address / page; number < (address + size) / page; number++) {
        if (is_mapped(number)) {
            return -RUMPK_EEXIST;
        }
    }
    if (!map_file(address, physical - memory_base, size, protection(rights))) {
        if (errno == EEXIST) {
            say_number("something of this process already stands at ", address);
            return -RUMPK_EEXIST;
        }
        return -RUMPK_ENOMEM;
    }
    mark(address, size, true);
    return 0;
}

int protect(uint64_t address, uint64_t size, uint32_t rights) {
    if (!valid_range(address, size) || !valid_rights(rights)) {
        return -RUMPK_EINVAL;
    }
    if (!all_mapped(address, size)) {
        return -RUMPK_ENOENT;
    }
    return mprotect(reinterpret_cast<void*>(address), size, protection(rights)) == 0 ? 0 : -RUMPK_ENOMEM;
}

int unmap(uint64_t address, uint64_t size) {
    if (!valid_range(address, size)) {
        return -RUMPK_EINVAL;
    }
    if (!all_mapped(address, size)) {
        return -RUMPK_ENOENT;
    }
    if (munmap(reinterpret_cast<void*>(address), size) != 0) {
        return -RUMPK_ENOMEM; // it splits a mapping, and the kernel has no room for one more
    }
    mark(address, size, false);
    return 0;
}

// Instruction fetch on x86 is coherent with stores; after a write through another mapping a
// serialising instruction is due (AMD64 APM volume 2, 7.6.1), and returning from the system
// call that made it executable is one.
void code_written(uint64_t, uint64_t) {
    asm volatile("cpuid" : : "a"(0), "c"(0) : "rbx", "rdx", "memory");
}

} // namespace rumpk::hal
