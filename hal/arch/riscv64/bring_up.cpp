// SPDX-License-Identifier: Apache-2.0
//
// Which core this is, and how another one is started and woken.
#include "hal/arch/riscv64/csr.h"
#include "hal/arch/riscv64/platform.h"
#include "hal/board/arch.h"

namespace rumpk::hal {

// RISC-V ELF psABI, "Frame pointer": return address at -8, the caller's frame pointer at -16.
constinit const ArchFacts arch_facts = {
    .elf_machine = 243, // ELF specification of RISC-V: EM_RISCV
    .frame_previous = -16,
    .frame_return = -8,
};

// xscratch holds the core's address whenever compiled code runs: tp belongs to the fibers and gp to nobody.
Core& this_core() {
    Core* core;
    asm("csrr %0, " RUMPK_CSR_NAME(XSCRATCH) : "=r"(core));
    return *core;
}

void this_core_set(Core& core) {
    write_scratch(reinterpret_cast<uint64_t>(&core));
}

int core_bring_up(Core& core) {
    // What this core has written, the new one's struct and stack among it, is in memory before
    // it is told to start: that goes by a device, which C++'s release would not order.
    asm volatile("fence rw, rw" ::: "memory");
    return platform::start(core);
}

void core_wake(uint32_t core) {
    // Who finds it set leaves the interrupt to the one that set it. release: the handler, which clears it
    // before it looks, sees what was written before this; else that bell would be lost.
    if (cores[core].rung.exchange(1, std::memory_order_release) != 0) {
        return;
    }
    platform::ring(cores[core]);
}

} // namespace rumpk::hal
