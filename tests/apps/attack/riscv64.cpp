// SPDX-License-Identifier: Apache-2.0
#include "tests/apps/attack/kernel.h"

#include <nexus/call.h>

#if defined(__riscv)

constexpr uint64_t systable = RUMPK_SYSTABLE_ADDRESS;

constinit const Kernel kernel = {
    .stack = systable - 64,
    .memory = systable + (1 << 20),
    .text = RUMPK_WINDOWS_ARE_MEMORY ? 0x80000000 : 0x80200000,
    .firmware = 0x80000000,
    .device_window = 0x100000000,
    .uart = 0x10000000,
    .read_status = INSTRUCTION(0x10002573),        // csrr a0, sstatus
    .write_page_table = INSTRUCTION(0x18051073),   // csrw satp, a0
    .return_from_trap = INSTRUCTION(0x10200073),   // sret
    .flush_translations = INSTRUCTION(0x12000073), // sfence.vma
    .wait_for_interrupt = INSTRUCTION(0x10500073), // wfi
    .mask_interrupts = INSTRUCTION(0x10017073),    // csrci sstatus, 2
    .break_ = INSTRUCTION(0x00100073),             // ebreak
    .semihosting =
        [](uint64_t operation, const void* block) {
            register uint64_t a0 asm("a0") = operation;
            register const void* a1 asm("a1") = block;
            // slli x0, x0, 31; ebreak; srai x0, x0, 7: on one page, none of them compressed
            asm volatile(".balign 16\n\t.long 0x01f01013, 0x00100073, 0x40705013"
                         : "+r"(a0)
                         : "r"(a1)
                         : "memory");
        },
};

#endif
