/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where firmware jumps to, and where cores come up.
 */
#include "hal/arch/riscv64/layout.h"

/* From OpenSBI: S-mode, MMU off, a0 = hart id, a1 = address of the device tree,
 * all other harts stopped (SBI specification 1.0, chapter 9). */
    .section .text.entry, "ax", @progbits
    .globl  _start
_start:
    csrw    sie, zero
    csrci   sstatus, XSTATUS_IE
    csrw    satp, zero

    /* The stack and the page tables lie at fixed addresses. Where the
     * machine has no memory there the first store faults, and no_memory says so. */
    lla     t0, no_memory
    csrw    stvec, t0
    lla     t0, hal_started_late
    ld      t0, 0(t0)
    beqz    t0, 1f
    jr      t0
1:  lla     sp, __boot_stack_top
    lla     t0, __hal_memory
    sd      zero, 0(t0)
    sd      zero, -REGISTER_SIZE(sp)

    lla     t0, cores
    csrw    sscratch, t0
    li      t0, XSTATUS_FS_INITIAL
    csrs    sstatus, t0
    li      s0, 0 /* backtraces end here */
    li      ra, 0
    call    hal_boot_main
    unimp

/* Without a stack: the line, the exit code, and off. */
    .balign 4
no_memory:
    lla     s0, machine_facts
    ld      s1, FACTS_NO_MEMORY(s0)
1:  lbu     a0, 0(s1)
    beqz    a0, 2f
    li      a7, SBI_CONSOLE_PUTCHAR
    ecall
    addi    s1, s1, 1
    j       1b
2:  ld      t0, FACTS_EARLY_DEVICE(s0)
    beqz    t0, 3f
    li      t1, (EXIT_PANIC << FINISHER_CODE_SHIFT) | FINISHER_FAIL
    sw      t1, 0(t0)
3:  li      a7, SBI_SYSTEM_RESET
    li      a6, 0
    li      a0, 0 /* shut down */
    li      a1, SBI_REASON_SYSTEM_FAILURE
    ecall
4:  wfi
    j       4b

/* From SBI's hart_start: S-mode, MMU off, a0 = hart id, a1 = struct Core. The
 * kernel's text stands at its physical address, so turning the MMU on changes
 * nothing for the instruction that follows. */
    .section .text.secondary, "ax", @progbits /* by itself: no kernel of one core links it */
    .globl  hal_secondary_entry, hal_secondary_late
    .balign 4
/* By the first hart's address, _start: firmware can start a hart before it has taken down where (platform.cpp).
 * a0 = hart id, in a1 is anything. */
hal_secondary_late:
    lla     a1, cores
    li      t0, CORES
1:  ld      t1, CORE_ID(a1)
    beq     t1, a0, hal_secondary_entry
    addi    a1, a1, CORE_SIZE
    addi    t0, t0, -1
    bnez    t0, 1b
2:  wfi /* one that nobody has started */
    j       2b

hal_secondary_entry:
    csrw    sie, zero
    csrci   sstatus, XSTATUS_IE
    csrw    sscratch, a1
    lla     t0, hal_trap_entry
    csrw    stvec, t0
    lla     t0, hal_satp
    ld      t0, 0(t0)
    sfence.vma
    csrw    satp, t0
    sfence.vma
    li      t0, XSTATUS_FS /* which firmware may leave Dirty: what begins here would keep registers that nobody wrote */
    csrc    sstatus, t0
    li      t0, XSTATUS_FS_INITIAL
    csrs    sstatus, t0
    ld      sp, CORE_START_STACK(a1)
    li      s0, 0
    li      ra, 0
    mv      a0, a1
    call    hal_secondary_main
    unimp

/* uint64_t hal_probe_stimecmp(void): 1 if the register can be read, 0 if that traps
 * (menvcfg.STCE, Sstc 1.0). Nothing else may fault in between. */
    .text
    .globl  hal_probe_stimecmp
hal_probe_stimecmp:
    lla     t0, 1f
    csrrw   t0, stvec, t0
    li      a0, 0
    csrr    t1, stimecmp
    li      a0, 1
    .balign 4 /* stvec, direct mode: 4.1.2 */
1:  csrw    stvec, t0
    ret
