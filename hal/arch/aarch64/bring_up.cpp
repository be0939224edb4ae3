// SPDX-License-Identifier: Apache-2.0
//
// Which core this is, and how another one is started and woken.
#include "hal/arch/aarch64/devices.h"
#include "hal/arch/aarch64/psci.h"
#include "hal/arch/aarch64/sysreg.h"
#include "hal/board/arch.h"
#include "hal/device/gicv3.h"

#include "hal/arch/aarch64/mmio.h"

extern "C" void hal_secondary_entry();

namespace rumpk::hal {

// AAPCS64, 6.4.6: a frame record is the caller's frame pointer and the return address.
constinit const ArchFacts arch_facts = {
    .elf_machine = 183, // ELF for the Arm 64-bit architecture: EM_AARCH64
    .frame_previous = 0,
    .frame_return = 8,
};

// TPIDR_EL1 holds the core's address whenever compiled code runs, SP_EL1 as well (trap.S).
Core& this_core() {
    Core* core;
    asm("mrs %0, tpidr_el1" : "=r"(core));
    return *core;
}

void this_core_set(Core& core) {
    write_core_pointer(reinterpret_cast<uint64_t>(&core));
    asm volatile("msr spsel, #1\n\tmov sp, %0\n\tmsr spsel, #0" ::"r"(&core) : "memory");
}

int core_bring_up(Core& core) {
    // The new core reads its struct and hal_mmu with its caches off: what is written is in memory first
    // (B2.4.4, clean to the point of coherency; the stack it touches only with its caches on).
    auto line = reinterpret_cast<uint64_t>(&core);
    for (uint64_t at = line; at < line + sizeof core; at += 16) {
        asm volatile("dc cvac, %0" ::"r"(at) : "memory");
    }
    asm volatile("dsb sy" ::: "memory");
    int64_t error = psci::cpu_on(core.id, reinterpret_cast<uint64_t>(&hal_secondary_entry),
                                 reinterpret_cast<uint64_t>(&core));
    return error == 0 ? 0 : error == psci::already_on ? -RUMPK_EEXIST : -RUMPK_EIO;
}

void core_wake(uint32_t core) {
    // Who finds it set leaves the interrupt to the one that set it. release: the handler, which clears it
    // before it looks, sees what was written before this; else that bell would be lost.
    if (cores[core].rung.exchange(1, std::memory_order_release) != 0) {
        return;
    }
    // Pairs with the barrier of the message's handler (trap.cpp): without it the interrupt could
    // overtake the caller's stores (IHI 0069, 4.1.1; B2.3.10: DSB, since a system register follows).
    asm volatile("dsb ishst" ::: "memory");
    write_icc_send(Gicv3<Mmio>::message(cores[core].id, line_message));
    isb();
}

} // namespace rumpk::hal
