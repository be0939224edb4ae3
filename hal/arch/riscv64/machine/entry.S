/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where every hart begins when there is no firmware, and where harts wait to be started.
 */
#include "hal/arch/riscv64/layout.h"

/* From reset: M-mode, a0 = hart id, a1 = address of the device tree, on all harts at once
 * (privileged specification 1.12, 3.4). */
    .section .text.entry, "ax", @progbits
    .globl  _start
_start:
    csrw    mie, zero
    csrci   mstatus, XSTATUS_IE
    /* What reset leaves open, and a hart without supervisor mode does not have: nothing is delegated,
     * nothing translated, a program may read the time. */
    lla     t0, 1f
    csrw    mtvec, t0
    csrw    satp, zero
    csrw    medeleg, zero
    csrw    mideleg, zero
    csrwi   scounteren, XCOUNTEREN_TM
    .balign 4 /* mtvec, direct mode: 3.1.7 */
1:  li      t0, MSTATUS_TW /* wfi is the kernel's */
    csrs    mstatus, t0
    li      t0, XSTATUS_FS_INITIAL
    csrs    mstatus, t0
    li      s0, 0 /* backtraces end here */
    li      ra, 0
    csrr    a0, mhartid
    bnez    a0, wait_for_start /* 3.1.5: one hart is number 0 */

    /* The stack lies at a fixed address. Where the machine has no memory there the first store
     * faults, and no_memory says so. */
    lla     t0, no_memory
    csrw    mtvec, t0
    lla     sp, __boot_stack_top
    lla     t0, __hal_memory
    sd      zero, 0(t0)
    sd      zero, -REGISTER_SIZE(sp)

    lla     t0, cores
    csrw    mscratch, t0
    call    hal_boot_main
    unimp

/* Without a stack: the line, the exit code, and off. */
    .balign 4
no_memory:
    lla     s0, machine_facts
    ld      s1, FACTS_NO_MEMORY(s0)
    lla     s2, machine_mode_facts
    ld      s2, FACTS_SERIAL(s2)
1:  lbu     a0, 0(s1)
    beqz    a0, 2f
    sb      a0, 0(s2)
    addi    s1, s1, 1
    j       1b
2:  ld      t0, FACTS_EARLY_DEVICE(s0)
    beqz    t0, 3f
    li      t1, (EXIT_PANIC << FINISHER_CODE_SHIFT) | FINISHER_FAIL
    sw      t1, 0(t0)
3:  wfi
    j       3b

/* a0 = this hart's id. A software interrupt ends the wait, and it may be a bell that came too early: what
 * counts is that the kernel has given this hart a struct Core and says so in hal_loaded (platform.cpp). */
    .section .text.secondary, "ax", @progbits
wait_for_start:
    li      t0, 1 << XCAUSE_SOFTWARE
    csrw    mie, t0
    lla     t2, machine_mode_facts
    ld      t2, FACTS_CLINT(t2)
    slli    t3, a0, 2
    add     t2, t2, t3 /* this hart's msip */
1:  wfi
    csrr    t1, mip
    and     t1, t1, t0
    beqz    t1, 1b
    sw      zero, 0(t2)
    fence   iorw, iorw /* pairs with core_bring_up's */
    lla     a1, cores
    lla     t3, hal_loaded
    li      t4, CORES
2:  ld      t5, CORE_ID(a1)
    bne     t5, a0, 3f
    ld      t5, 0(t3)
    bnez    t5, start
3:  addi    a1, a1, CORE_SIZE
    addi    t3, t3, REGISTER_SIZE
    addi    t4, t4, -1
    bnez    t4, 2b
    j       1b

start:
    fence.i /* what was loaded as code is run here */
    csrw    mie, zero
    csrw    mscratch, a1
    lla     t0, hal_trap_entry
    csrw    mtvec, t0
    ld      sp, CORE_START_STACK(a1)
    mv      a0, a1
    call    hal_secondary_main
    unimp
