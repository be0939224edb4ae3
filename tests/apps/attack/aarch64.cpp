// SPDX-License-Identifier: Apache-2.0
#include "tests/apps/attack/kernel.h"

#include <nexus/call.h>

#if defined(__aarch64__)

constinit const Kernel kernel = {
    .stack = 0x40200000 - 64,
    .memory = 0x40300000,
    .text = 0x40200000,
    .firmware = 0x40000000,
    .device_window = 0x100000000,
    .uart = 0x09000000,
    .read_status = INSTRUCTION(0xd5381000),        // mrs x0, sctlr_el1
    .write_page_table = INSTRUCTION(0xd5182000),   // msr ttbr0_el1, x0
    .return_from_trap = INSTRUCTION(0xd69f03e0),   // eret
    .flush_translations = INSTRUCTION(0xd508871f), // tlbi vmalle1
    .wait_for_interrupt = INSTRUCTION(0xd503207f), // wfi
    .mask_interrupts = INSTRUCTION(0xd50342df),    // msr daifset, #2
    .break_ = INSTRUCTION(0xd4200000),             // brk #0
    .semihosting =
        [](uint64_t operation, const void* block) {
            register uint64_t x0 asm("x0") = operation;
            register const void* x1 asm("x1") = block;
            asm volatile(".long 0xd45e0000" : "+r"(x0) : "r"(x1) : "memory"); // hlt #0xf000
        },
};

#endif
