// SPDX-License-Identifier: Apache-2.0
//
// memory.h where no address is translated: everything shows where it is, and the kernel, which nothing
// binds, touches all of it. What is kept is what programs at user privilege may touch.
#include "hal/board/memory.h"

#include "hal/board/arch.h"
#include "hal/board/machine_facts.h"
#include "hal/board/regions.h"
#include "hal/board/table.h"

namespace rumpk::hal {

namespace {

constinit Regions regions;
constinit AddressRange windows = {};
constinit uint64_t next_page = kernel_memory::base;

bool is_page_range(uint64_t address, uint64_t size) {
    return size != 0 && ((address | size) & (HAL_PAGE_SIZE - 1)) == 0 && address + size > address;
}

AddressRange between_null_and(uint64_t end) {
    return {HAL_PAGE_SIZE, end - HAL_PAGE_SIZE};
}

bool are_rights(uint32_t rights) {
    constexpr uint32_t known = HAL_MAP_READ | HAL_MAP_WRITE | HAL_MAP_EXEC | HAL_MAP_USER;
    const bool writable_code = (rights & HAL_MAP_WRITE) != 0 && (rights & HAL_MAP_EXEC) != 0;
    return rights != 0 && (rights & ~known) == 0 && !writable_code;
}

// Windows, the SysTable's page, and below all memory devices' registers; not the null page.
bool is_for_core(AddressRange range) {
    return windows.contains(range) || AddressRange{RUMPK_SYSTABLE_ADDRESS, HAL_PAGE_SIZE}.contains(range) ||
           between_null_and(machine_facts.memory_floor).contains(range);
}

int keep(const Regions& changed, int error) {
    if (error == 0) {
        if (!protection_change(changed)) {
            return -RUMPK_ENOMEM;
        }
        regions = changed;
    }
    return error;
}

int map_region(const Region& region) {
    Regions changed = regions;
    const int error = changed.map(region);
    return keep(changed, error);
}

// Rights that programs have not are the kernel's, who has them anyway.
constexpr uint32_t of_programs(uint32_t rights) {
    return (rights & HAL_MAP_USER) != 0 ? rights : 0;
}

int change_region(uint64_t address, uint64_t size, uint32_t rights) {
    Regions changed = regions;
    const int error = changed.change({address, address + size, rights});
    return keep(changed, error);
}

} // namespace

constinit const uint64_t memory_features = RUMPK_FEATURE_PMP;

const char* memory_begin() {
    return protection_begin();
}

uint64_t memory_take_page() {
    const uint64_t page = next_page;
    next_page += HAL_PAGE_SIZE;
    return page < kernel_memory::pool_end ? page : 0;
}

bool memory_map_data(AddressRange) {
    return true;
}

bool memory_map_read_only(AddressRange) {
    return true;
}

bool memory_show(AddressRange) {
    return true;
}

void memory_hide(AddressRange) {}

bool memory_map_windows(AddressRange memory) {
    windows = memory;
    return memory.size >= RUMPK_WINDOW_SIZE;
}

bool memory_map_systable(uint64_t frame) {
    if (frame != RUMPK_SYSTABLE_ADDRESS) {
        return false;
    }
    __builtin_memset(reinterpret_cast<void*>(frame), 0, HAL_PAGE_SIZE);
    return true;
}

uint64_t memory_take_gate() {
    return gate_address;
}

bool memory_map_gate(uint64_t frame) {
    return map_region({frame, frame + HAL_PAGE_SIZE, HAL_MAP_READ | HAL_MAP_EXEC | HAL_MAP_USER}) == 0;
}

uint64_t memory_map_device(AddressRange registers) {
    return registers.base;
}

uint64_t memory_early_device(uint64_t physical) {
    return physical;
}

int map(uint64_t address, uint64_t physical, uint64_t size, uint32_t rights) {
    const bool sound = is_page_range(address, size) && are_rights(rights) && physical == address &&
                       is_for_core({address, size});
    if (!sound) {
        return -RUMPK_EINVAL;
    }
    return of_programs(rights) != 0 ? map_region({address, address + size, rights}) : 0;
}

int protect(uint64_t address, uint64_t size, uint32_t rights) {
    const bool sound = is_page_range(address, size) && are_rights(rights);
    return sound ? change_region(address, size, of_programs(rights)) : -RUMPK_EINVAL;
}

int unmap(uint64_t address, uint64_t size) {
    return is_page_range(address, size) ? change_region(address, size, 0) : -RUMPK_EINVAL;
}

} // namespace rumpk::hal
