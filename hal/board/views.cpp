// SPDX-License-Identifier: Apache-2.0
//
// Views: a map for each window, or the regions of one, of which the kernel's part is common to all.
#include "hal/board/arch.h"
#include "hal/board/memory.h"
#include "hal/board/table.h"

namespace rumpk::hal {

constinit const bool has_views = true;

namespace {

// Tag 0 is that of the map before there were views.
int make(uint32_t window, uint32_t tagged, uint64_t* view) {
    const uint64_t root = memory_make_view(window);
    if (root == 0) {
        return -RUMPK_ENOMEM;
    }
    *view = translation_view(root, tagged != 0 ? window + 1 : 0);
    return 0;
}

uint64_t flushes() {
    return this_core().view_flushes;
}

// virtio 1.2, 4.2.2: "virt" in the first register, then the version, then what device it is.
uint32_t virtio_device(uint32_t transport, uint32_t* version) {
    constexpr uint32_t magic = 0x74726976;
    const hal_virtio& slot = boot_facts.virtio[transport];
    const uint64_t registers = memory_map_device({slot.registers, slot.size});
    if (registers == 0 || register_read(registers) != magic) {
        return 0;
    }
    *version = register_read(registers + 4);
    return register_read(registers + 8);
}

int device(uint32_t index, struct hal_device* device) {
    if (index != 0) {
        return -RUMPK_ENOENT;
    }
    const TreeDevice& serial = machine_tree.serial;
    *device = {serial_compatible, serial.registers.base, serial.registers.size, serial.line, 0};
    return 0;
}

} // namespace

} // namespace rumpk::hal

extern "C" constinit const struct hal_views hal_views_table = {
    .make = rumpk::hal::make,
    .show = rumpk::hal::memory_show_in_view,
    .hide = rumpk::hal::memory_hide_in_view,
    .flushes = rumpk::hal::flushes,
    .virtio_device = rumpk::hal::virtio_device,
    .device = rumpk::hal::device,
};
