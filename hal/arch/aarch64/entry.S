/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the boot loader jumps to, and where cores come up.
 */
#include "hal/arch/aarch64/layout.h"

    .arch   armv8-a

/* The Linux boot protocol (Documentation/arch/arm64/booting.rst): MMU off, data cache off,
 * x0 = address of the device tree. The header is what makes a loader hand it over. */
    .section .text.entry, "ax", @progbits
    .globl  _start
_start:
    b       begin                   /* code0 */
    .long   0                       /* code1 */
    .quad   0                       /* text_offset: at the first multiple of 2 MiB that fits */
    .quad   __image_end - _start    /* image_size */
    .quad   2 << 1                  /* flags: little endian, 4 KiB pages, anywhere near the base */
    .quad   0, 0, 0
    .ascii  "ARM\x64"
    .long   0

begin:
    msr     daifset, #DAIF_ALL
    mov     x19, x0
    bl      drop_to_el1

    /* The stack and the page tables lie at fixed addresses. Where the machine has no memory
     * there the first store faults, and no_memory says so. */
    adr     x0, no_memory_vectors
    msr     vbar_el1, x0
    isb
    adrp    x0, __boot_stack_top
    add     x0, x0, :lo12:__boot_stack_top
    mov     sp, x0
    adrp    x1, __hal_memory
    add     x1, x1, :lo12:__hal_memory
    str     xzr, [x1]
    str     xzr, [x0, #-REGISTER_SIZE]
    dsb     sy /* an abort of theirs is taken here */

    adrp    x0, cores
    add     x0, x0, :lo12:cores
    bl      use_core
    mrs     x0, mpidr_el1
    ldr     x1, =MPIDR_AFFINITY
    and     x0, x0, x1
    mov     x1, x19
    mov     x29, xzr /* backtraces end here */
    mov     x30, xzr
    bl      hal_boot_main
    brk     #0
    .ltorg

/* x0 = this core: EL1 runs on SP_EL0, SP_EL1 and TPIDR_EL1 say which core, FP may be used.
 * Keeps sp. */
use_core:
    mov     x1, sp
    msr     spsel, #1
    mov     sp, x0
    msr     spsel, #0
    mov     sp, x1
    msr     tpidr_el1, x0
    mov     x1, #CPACR_FPEN
    msr     cpacr_el1, x1
    isb
    ret

/* A core that starts in EL2 (a loader that keeps virtualisation) goes on in EL1, on SP_EL0,
 * with nothing trapped to EL2. PSCI's calls then take smc (psci.cpp). Changes x1 and x2. */
drop_to_el1:
    mrs     x1, currentel
    cmp     x1, #CURRENT_EL2
    b.ne    1f
    mov     x1, #HCR_RW
    msr     hcr_el2, x1
    mrs     x1, cnthctl_el2
    orr     x1, x1, #CNTHCTL_EL1PCTEN | CNTHCTL_EL1PCEN
    msr     cnthctl_el2, x1
    msr     cntvoff_el2, xzr
    mov     x1, #CPTR_EL2_RES1
    msr     cptr_el2, x1
    msr     vttbr_el2, xzr
    mrs     x1, s3_4_c12_c9_5 /* ICC_SRE_EL2 */
    mov     x2, #ICC_SRE_SRE | ICC_SRE_ENABLE
    orr     x1, x1, x2
    msr     s3_4_c12_c9_5, x1
    ldr     x1, =SCTLR_EL1_RES1
    msr     sctlr_el1, x1
    mov     x1, #SPSR_EL1T_MASKED
    msr     spsr_el2, x1
    msr     elr_el2, x30
    eret
1:  msr     spsel, #0
    ldr     x1, =SCTLR_EL1_RES1
    msr     sctlr_el1, x1
    isb
    ret

    .ltorg

/* Without a stack: the line, byte by byte to the port that every machine of this kind has, and off. */
    .balign 2048
no_memory_vectors:
    .rept   16
    .balign 128
    b       no_memory
    .endr
    .balign 128
no_memory:
    adrp    x0, machine_facts
    add     x0, x0, :lo12:machine_facts
    ldp     x1, x2, [x0, #FACTS_NO_MEMORY]
    cbz     x2, 2f
1:  ldrb    w3, [x1], #1
    cbz     w3, 2f
    str     w3, [x2]
    b       1b
2:  ldr     w0, =PSCI_SYSTEM_OFF
    hvc     #0
    smc     #0 /* where there is no hypervisor's, hvc came back here by no_memory */
3:  wfi
    b       3b
    .ltorg

/* From PSCI's CPU_ON: MMU off, x0 = struct Core. The kernel's text stands at its physical
 * address, so turning the MMU on changes nothing for the instruction that follows. */
    .text
    .globl  hal_secondary_entry
hal_secondary_entry:
    msr     daifset, #DAIF_ALL
    mov     x19, x0
    bl      drop_to_el1
    adrp    x0, hal_trap_vectors
    add     x0, x0, :lo12:hal_trap_vectors
    msr     vbar_el1, x0
    adrp    x2, hal_mmu
    add     x2, x2, :lo12:hal_mmu
    ldp     x3, x4, [x2]     /* MAIR_EL1, TCR_EL1 */
    ldp     x5, x6, [x2, #16] /* TTBR0_EL1, SCTLR_EL1 */
    msr     mair_el1, x3
    msr     tcr_el1, x4
    msr     ttbr0_el1, x5
    tlbi    vmalle1
    ic      iallu
    dsb     nsh
    isb
    msr     sctlr_el1, x6
    isb
    tbnz    x6, #SCTLR_SPAN_BIT, 1f
    .inst   MSR_PAN_1
1:  ldr     x0, [x19, #CORE_START_STACK]
    mov     sp, x0
    mov     x0, x19
    bl      use_core
    mov     x0, x19
    mov     x29, xzr
    mov     x30, xzr
    bl      hal_secondary_main
    brk     #0
