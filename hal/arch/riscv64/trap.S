/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trap entry and return (privileged specification 1.12, 4.1). No instruction here
 * touches the stack of what was interrupted: a fiber that has overflowed its stack
 * still ends in a readable report.
 *
 * An interrupt runs on the core's interrupt stack, and so does a fault. A fault of a
 * handler runs on the emergency stack, which nothing else uses, so the frames that
 * explain it stay as they were. A fault during the report of a fault is reported by
 * the HAL itself, there as well.
 */
#include "hal/arch/riscv64/layout.h"

/* One list serves save and restore: ra, t0-t6, a0-a7. */
.macro caller_saved do
    .irp n, 1, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 28, 29, 30, 31
    \do     x\n, \n * REGISTER_SIZE(sp)
    .endr
.endm

/* What a fault's report adds: gp, tp, s0-s11. */
.macro the_others do
    .irp n, 3, 4, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
    \do     x\n, \n * REGISTER_SIZE(sp)
    .endr
.endm

/* On entry: sp = the frame, t0 = this core, the interrupted t0 in sscratch. On
 * exit sscratch = this core again, the frame says all but the_others. */
.macro fill_frame
    ld      t1, CORE_TRAP_T1(t0)
    csrrw   t0, sscratch, t0
    caller_saved sd
    csrr    t0, sscratch
    ld      t0, CORE_TRAP_SP(t0)
    sd      t0, 2 * REGISTER_SIZE(sp)
    csrr    t0, sepc
    sd      t0, FRAME_PC(sp)
    csrr    t0, sstatus
    sd      t0, FRAME_STATUS(sp)
    sd      s0, FRAME_PREVIOUS(sp)
.endm

    .text
    .globl  hal_trap_entry
    .balign 4 /* stvec, direct mode: 4.1.2 */
hal_trap_entry:
    csrrw   t0, sscratch, t0
    sd      sp, CORE_TRAP_SP(t0)
    sd      t1, CORE_TRAP_T1(t0)
    csrr    t1, scause
    bgez    t1, fault /* the highest bit says interrupt: 4.1.8 */

    ld      sp, CORE_INTERRUPT_TOP(t0)
    addi    sp, sp, -FRAME_SIZE
    fill_frame
    addi    s0, sp, FRAME_SIZE
    csrr    a0, scause
    call    hal_trap_interrupt

trap_return:
    ld      t0, FRAME_PC(sp)
    csrw    sepc, t0
    ld      t0, FRAME_STATUS(sp)
    csrw    sstatus, t0
    ld      s0, FRAME_PREVIOUS(sp)
    caller_saved ld
    ld      sp, 2 * REGISTER_SIZE(sp)
    sret

fault:
    ld      t1, CORE_REPORTING(t0)
    bnez    t1, in_report
    sd      t0, CORE_REPORTING(t0)
    ld      t1, CORE_INTERRUPT_BASE(t0)
    bltu    sp, t1, 1f
    ld      t1, CORE_INTERRUPT_TOP(t0)
    bltu    sp, t1, in_handler
1:  ld      sp, CORE_INTERRUPT_TOP(t0)
    li      t1, NESTED_NOT
    j       3f
in_handler:
    ld      sp, CORE_EMERGENCY_TOP(t0)
    li      t1, NESTED_IN_HANDLER
    j       3f
in_report:
    ld      sp, CORE_EMERGENCY_TOP(t0)
    li      t1, NESTED_IN_REPORT
3:  addi    sp, sp, -FRAME_SIZE
    sd      t1, FRAME_NESTED(sp)
    fill_frame
    the_others sd
    addi    s0, sp, FRAME_SIZE
    mv      a0, sp
    call    hal_trap_fault
    csrr    t0, sscratch
    sd      zero, CORE_REPORTING(t0)
    j       trap_return /* the handler has mended the cause */
