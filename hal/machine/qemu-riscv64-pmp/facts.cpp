// SPDX-License-Identifier: Apache-2.0
//
// QEMU 7.2, hw/riscv/virt.c: what is true of every `virt` machine before its
// device tree has been read, started without a firmware. All else is read from there.
#include "hal/arch/riscv64/machine/facts.h"
#include "hal/board/machine_facts.h"

namespace rumpk::hal {

constinit const MachineFacts machine_facts = {
    .no_memory = "rumpk: not enough memory: 256 MiB are needed\n",
    .early_device = 0x100000,
    .name = RUMPK_MACHINE,
    .least_memory = 256 << 20,
    .memory_floor = 0x80000000,
};

constinit const MachineModeFacts machine_mode_facts = {
    .clint = 0x2000000,
    .serial = 0x10000000,
};

} // namespace rumpk::hal
