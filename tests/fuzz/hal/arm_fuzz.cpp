// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/hal/devicetree_fuzz.h"

using namespace rumpk::hal;

// A GICv3 (IHI 0069): its registers' sizes, and the lines of devices.
void check_machine(const MachineTree& machine) {
    require(machine.gic.registers.size >= 0x10000 && machine.redistributors.size >= 0x20000);
    require(machine.redistributors.end() > machine.redistributors.base);
    for (const AddressRange& memory : machine.memory) {
        require(!memory.overlaps(machine.redistributors));
    }
    require(machine.gic_phandle != 0 && machine.serial.parent == machine.gic_phandle);
    require(machine.serial.registers.size >= HAL_PAGE_SIZE);
    require(machine.serial.line >= 32 && machine.serial.line < 1020);
    for (const hal_virtio& slot : machine.transports) {
        require(slot.line >= 32 && slot.line < 1020 && slot.size >= 0x100);
    }
}
