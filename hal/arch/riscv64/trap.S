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
#include "hal/arch/riscv64/save.inc"

/* What a fault's report adds: gp, tp, s0-s11. */
.macro the_others do
    .irp n, 3, 4, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
    \do     x\n, \n * REGISTER_SIZE(sp)
    .endr
.endm

    .text
    .globl  hal_trap_entry
    .balign 4 /* stvec, direct mode: 4.1.2 */
hal_trap_entry:
    csrrw   t0, XSCRATCH, t0
    sd      sp, CORE_TRAP_SP(t0)
    sd      t1, CORE_TRAP_T1(t0)
    csrr    t1, XCAUSE
    bgez    t1, hal_trap_from_kernel /* the highest bit says interrupt: 4.1.8 */

    ld      sp, CORE_INTERRUPT_TOP(t0)
    addi    sp, sp, -FRAME_SIZE
    fill_frame
    addi    s0, sp, FRAME_SIZE
    csrr    a0, XCAUSE
    call    hal_trap_interrupt

    .globl  hal_trap_return
hal_trap_return:
    ld      t0, FRAME_PC(sp)
    csrw    XEPC, t0
    ld      t0, FRAME_STATUS(sp)
    csrw    XSTATUS, t0
    ld      s0, FRAME_PREVIOUS(sp)
    caller_saved ld
    ld      sp, 2 * REGISTER_SIZE(sp)
    XRET

    .globl  hal_trap_from_kernel /* t0 = this core, whose scratch words and sscratch hold sp, t1 and t0 */
hal_trap_from_kernel:
    ld      t1, CORE_REPORTING(t0)
    bnez    t1, in_report
    sd      t0, CORE_REPORTING(t0)
    ld      t1, CORE_INTERRUPT_BASE(t0)
    bltu    sp, t1, 1f
    ld      t1, CORE_INTERRUPT_TOP(t0)
    bltu    sp, t1, in_handler
1:  ld      sp, CORE_INTERRUPT_TOP(t0)
    li      t1, FAULT_CONTEXT
    j       3f
in_handler:
    ld      sp, CORE_EMERGENCY_TOP(t0)
    li      t1, FAULT_HANDLER
    j       3f
in_report:
    ld      sp, CORE_EMERGENCY_TOP(t0)
    li      t1, FAULT_REPORT
    .globl  hal_trap_report /* sp = the stack for it, t1 = FAULT_* */
hal_trap_report:
3:  addi    sp, sp, -FRAME_SIZE
    sd      t1, FRAME_WHERE(sp)
    fill_frame
    the_others sd
    addi    s0, sp, FRAME_SIZE
    mv      a0, sp
    call    hal_trap_fault
    csrr    t0, XSCRATCH
    sd      zero, CORE_REPORTING(t0)
    j       hal_trap_return /* the handler has mended the cause */
