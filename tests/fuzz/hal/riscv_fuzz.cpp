// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/hal/devicetree_fuzz.h"

using namespace rumpk::hal;

const uint32_t rumpk::hal::tree_external_cause = 9;
const uint32_t rumpk::hal::tree_bell_cause = 1;

void check_machine(const MachineTree& machine) {
    require(machine.plic.present());
    require(machine.serial.line >= 1 && machine.serial.line <= machine.plic_lines &&
            machine.plic_lines <= 1023);
    for (const hal_virtio& slot : machine.transports) {
        require(slot.line >= 1 && slot.line <= machine.plic_lines && slot.size >= 0x100);
    }
    for (const TreeHart& hart : machine.harts) {
        require(0x200000 + 0x1000 * (uint64_t{hart.context} + 1) <= machine.plic.registers.size);
    }
    for (const uint32_t bell : machine.bell_of) {
        require(machine.bells.registers.base % 4 == 0 && 4 * uint64_t{bell} <= machine.bells.registers.size);
    }
    require(machine.timebase >= 1000 && machine.timebase <= 1000000000);
}
