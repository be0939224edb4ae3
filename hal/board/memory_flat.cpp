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

constinit Regions regions; // outside of windows, and of windows that have no view of their own
constinit Regions views[RUMPK_WINDOW_COUNT];
constinit bool begun[RUMPK_WINDOW_COUNT];
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

// The image may be seen, not changed.
bool is_of_image(AddressRange range, uint32_t rights) {
    const AddressRange image{reinterpret_cast<uintptr_t>(boot_facts.image), boot_facts.image_size};
    return rights == (HAL_MAP_READ | HAL_MAP_USER) && image.contains(range);
}

constexpr uint32_t no_window = RUMPK_WINDOW_COUNT;

// Which has a view of its own.
uint32_t window_of(uint64_t address) {
    const uint64_t above = address - window_places.base; // of what lies below: huge
    if (!has_views || above >= window_places.size || !begun[above / RUMPK_WINDOW_SIZE]) {
        return no_window;
    }
    return static_cast<uint32_t>(above / RUMPK_WINDOW_SIZE);
}

// What a program sees in the view of a window: its own, and of what all see what lies in no window. False: it
// is too much.
bool make_view(uint32_t window, const Regions& common, const Regions& own) {
    // On the stack of a call there is no room for it. One core at a time is here, masked.
    static constinit Regions seen;
    seen = own;
    for (const Region& one : common.all()) {
        const bool in_window = window_places.contains({one.base, one.end - one.base});
        if (!in_window && seen.map(one) != 0) {
            return false;
        }
    }
    return protection_change(window + 1, seen);
}

bool make_all(const Regions& common) {
    bool fits = protection_change(0, common);
    for (uint32_t window = 0; has_views && window < RUMPK_WINDOW_COUNT; ++window) {
        fits = fits && (!begun[window] || make_view(window, common, views[window]));
    }
    return fits;
}

// `change` of what is kept for that window, or for all: made known, or nothing is changed.
template <class Change>
int change(uint32_t window, Change&& what) {
    Regions& kept = window == no_window ? regions : views[window];
    Regions changed = kept;
    if (const int error = what(changed); error != 0) {
        return error;
    }
    const bool fits = window == no_window ? make_all(changed) : make_view(window, regions, changed);
    if (!fits) {
        if (window == no_window) {
            (void)make_all(kept);
        }
        return -RUMPK_ENOMEM;
    }
    kept = changed;
    return 0;
}

int map_region(uint32_t window, const Region& region) {
    return change(window, [=](Regions& kept) { return kept.map(region); });
}

// Rights that programs have not are the kernel's, who has them anyway.
constexpr uint32_t of_programs(uint32_t rights) {
    return (rights & HAL_MAP_USER) != 0 ? rights : 0;
}

int change_region(uint64_t address, uint64_t size, uint32_t rights) {
    return change(window_of(address),
                  [=](Regions& kept) { return kept.change({address, address + size, rights}); });
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
    constexpr uint32_t rights = HAL_MAP_READ | HAL_MAP_EXEC | HAL_MAP_USER;
    return map_region(no_window, {frame, frame + HAL_PAGE_SIZE, rights}) == 0;
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
    return of_programs(rights) != 0 ? map_region(window_of(address), {address, address + size, rights}) : 0;
}

// Its number where protection_change counts, of all it is 0.
uint64_t memory_make_view(uint32_t window) {
    begun[window] = make_view(window, regions, {});
    return begun[window] ? window + 1 : 0;
}

int memory_show_in_view(uint32_t window, uint64_t address, uint64_t physical, uint64_t size,
                        uint32_t rights) {
    const bool sound = is_page_range(address, size) && are_rights(rights) && physical == address &&
                       (is_for_core({address, size}) || is_of_image({address, size}, rights));
    return sound ? map_region(window, {address, address + size, rights}) : -RUMPK_EINVAL;
}

int64_t memory_hide_in_view(uint32_t window, uint64_t address, uint64_t size) {
    if (!is_page_range(address, size)) {
        return -RUMPK_EINVAL;
    }
    const Region range{address, address + size, 0};
    if (change(window, [=](Regions& kept) { return kept.take(range); }) != 0) {
        (void)change(window,
                     [=](Regions& kept) { return kept.take(kept.around(range)); }); // fits: it is less
    }
    return static_cast<int64_t>(size);
}

int protect(uint64_t address, uint64_t size, uint32_t rights) {
    const bool sound = is_page_range(address, size) && are_rights(rights);
    return sound ? change_region(address, size, of_programs(rights)) : -RUMPK_EINVAL;
}

int unmap(uint64_t address, uint64_t size) {
    return is_page_range(address, size) ? change_region(address, size, 0) : -RUMPK_EINVAL;
}

} // namespace rumpk::hal
