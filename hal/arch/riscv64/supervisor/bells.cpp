// SPDX-License-Identifier: Apache-2.0
//
// How one core rings another, in kernels of several: by a store to a device of supervisor mode's own (RISC-V
// ACLINT specification 1.0, chapter 4: SSWI), or else by firmware (SBI), which takes seven times as many
// instructions.
#include "hal/arch/riscv64/csr.h"
#include "hal/arch/riscv64/mmio.h"
#include "hal/arch/riscv64/platform.h"
#include "hal/arch/riscv64/supervisor/sbi.h"
#include "hal/board/memory.h"

namespace rumpk::hal {

constinit const uint32_t tree_bell_cause = cause_software;

namespace platform {

namespace {
// By core: its register SETSSIP. 0: firmware rings it. Written during boot.
constinit uint64_t bells[HAL_MAX_CORES] = {};
} // namespace

bool bells_begin(const MachineTree& tree) {
    if (!tree.bells.present()) {
        return true;
    }
    const uint64_t words = memory_map_device(tree.bells.registers);
    for (uint32_t index = 0; index < tree.harts.size(); ++index) {
        const uint64_t number = tree.bell_of[index];
        bells[index] = number == 0 ? 0 : words + 4 * (number - 1);
    }
    return words != 0;
}

// The interrupt travels through a device and must not overtake the caller's stores, which the one that is
// rung looks for (trap.cpp). RVWMO orders no store to memory before one to a device: FENCE w,o does (Mmio),
// and firmware, which stores to a device of its own, has the same from here.
void ring(const Core& core) {
    if (const uint64_t bell = bells[core.index]) {
        Mmio::write32(bell, 1);
        return;
    }
    asm volatile("fence w, ow" ::: "memory");
    sbi::send_ipi({1, core.id});
}

} // namespace platform
} // namespace rumpk::hal
