// SPDX-License-Identifier: Apache-2.0
#include "core/memory.h"

#include <algorithm>

#include "core/log.h"
#include "core/panic.h"

namespace rumpk {

namespace {
BootMemory the_memory;
}

BootMemory& boot_memory() {
    return the_memory;
}

void BootMemory::prepare(const hal_boot& boot) {
    next_ = boot.memory_base;
    end_ = boot.memory_base + boot.memory_size;
    direct_map_ = boot.direct_map;
}

uint64_t BootMemory::take(uint64_t bytes, uint64_t alignment, std::string_view what) {
    if (sealed_) {
        ++takes_after_seal_;
        panic("memory was asked for after boot");
    }
    const uint64_t start = align_up(next_, alignment);
    if (start < next_ || start > end_ || bytes > end_ - start) {
        stop_boot(
            "not enough memory for %.*s: %lu KiB wanted, %lu KiB left; give the machine more (--memory)",
            RUMPK_TEXT(what), bytes >> 10, (end_ - std::min(next_, end_)) >> 10);
    }
    next_ = start + bytes;
    return start;
}

PhysAddr BootMemory::take_pages(uint64_t bytes, std::string_view what, uint64_t alignment) {
    return PhysAddr{take(align_up(bytes, HAL_PAGE_SIZE), alignment, what)};
}

std::byte* BootMemory::touch(PhysAddr address) const {
    return reinterpret_cast<std::byte*>(static_cast<uintptr_t>(address.value() + direct_map_));
}

std::byte* BootMemory::take_bytes(uint64_t bytes, uint64_t alignment, std::string_view what) {
    std::byte* const at = touch(PhysAddr{take(bytes, alignment, what)});
    __builtin_memset(at, 0, bytes);
    return at;
}

} // namespace rumpk
