// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a device tree. Nothing outside them is read, and a tree that is
// accepted must hold what boot relies on.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "hal/devicetree/machine_tree.h"

using namespace rumpk::hal;

const uint32_t rumpk::hal::tree_external_cause = 9;

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void check_devices(const MachineTree& machine) {
    for (const TreeDevice* device : {&machine.serial, &machine.plic, &machine.rtc, &machine.finisher}) {
        require(device->registers.end() >= device->registers.base);
        for (const AddressRange& memory : machine.memory) {
            require(!device->present() || !memory.overlaps(device->registers));
        }
    }
    require(machine.serial.present() && machine.plic.present());
    require(machine.serial.line >= 1 && machine.serial.line <= machine.plic_lines &&
            machine.plic_lines <= 1023);
    for (const hal_virtio& slot : machine.transports) {
        require(slot.line >= 1 && slot.line <= machine.plic_lines && slot.size >= 0x100);
    }
}

void check(const MachineTree& machine, const char* blob, size_t size) {
    require(machine.memory.size() != 0);
    for (const AddressRange& one : machine.memory) {
        require(one.size != 0 && one.base % HAL_PAGE_SIZE == 0 && one.size % HAL_PAGE_SIZE == 0);
        require(one.end() > one.base);
        for (const AddressRange& other : machine.memory) {
            require(&one == &other || !one.overlaps(other));
        }
    }
    require(machine.boot_hart < machine.harts.size() && machine.harts[machine.boot_hart].id == 0);
    for (const TreeHart& hart : machine.harts) {
        require(0x200000 + 0x1000 * (uint64_t{hart.context} + 1) <= machine.plic.registers.size);
    }
    require(machine.timebase >= 1000 && machine.timebase <= 1000000000);
    if (*machine.arguments != '\0') {
        require(machine.arguments >= blob &&
                machine.arguments + std::strlen(machine.arguments) < blob + size);
    }
    if (machine.seed_size != 0) {
        auto seed = reinterpret_cast<const char*>(machine.seed);
        require(seed >= blob && seed + machine.seed_size <= blob + size);
    }
    check_devices(machine);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    // Of its exact size, so that the sanitizer sees a step outside; aligned as a tree is.
    std::unique_ptr<char, decltype(&std::free)> copy(static_cast<char*>(std::malloc(size + 1)), std::free);
    std::memcpy(copy.get(), data, size);
    MachineTree machine;
    if (!read_machine_tree(copy.get(), size, 0, machine)) {
        check(machine, copy.get(), size);
    }
    return 0;
}
