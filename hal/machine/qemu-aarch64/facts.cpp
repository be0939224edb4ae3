// SPDX-License-Identifier: Apache-2.0
//
// QEMU 7.2, hw/arm/virt.c: what is true of every `virt` machine before its
// device tree has been read. All else is read from there.
#include "hal/board/machine_facts.h"

namespace rumpk::hal {

constinit const MachineFacts machine_facts = {
    // With the end of the line's framing behind it (abi/console.h): a panic's code.
    .no_memory = "rumpk: not enough memory: 64 MiB are needed\n\x10x\x7e",
    .early_device = 0x09000000, // the PL011
    .name = RUMPK_MACHINE,
    .least_memory = 64 << 20,
    .memory_floor = 0x40000000,
};

} // namespace rumpk::hal
