/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts: stackful, and all of a context that does not run lies on its stack
 * (frame.h). Only these lines use the FP registers: the kernel is compiled
 * without them, so they always hold the fiber's.
 */
#include "hal/arch/riscv64/layout.h"

    .option arch, +d

/* One list serves save and restore. */
.macro callee_saved integer, float
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    \integer s\n, \n * REGISTER_SIZE(sp)
    \float  fs\n, SWITCH_FS + \n * REGISTER_SIZE(sp)
    .endr
    \integer ra, SWITCH_RA(sp)
    \integer tp, SWITCH_TP(sp)
.endm

.macro caller_saved_float do
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    \do     ft\n, \n * REGISTER_SIZE(sp)
    .endr
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    \do     fa\n, PREEMPT_FA + \n * REGISTER_SIZE(sp)
    .endr
.endm

    .text

/* void hal_context_switch(hal_context* from, const hal_context* to) */
    .globl  hal_context_switch
hal_context_switch:
    addi    sp, sp, -SWITCH_SIZE
    callee_saved sd, fsd
    frcsr   t0
    sd      t0, SWITCH_FCSR(sp)
    /* A fault's handler that leaves this way has dealt with it (trap.S). */
    csrr    t0, sscratch
    sd      zero, CORE_REPORTING(t0)
    sd      sp, 0(a0)
    ld      sp, 0(a1)
    ld      t0, SWITCH_FCSR(sp)
    fscsr   t0
    callee_saved ld, fld
    addi    sp, sp, SWITCH_SIZE
    ret

/* int64_t hal_context_switch_unmask(hal_context* from, const hal_context* to) */
    .globl  hal_context_switch_unmask
hal_context_switch_unmask:
    addi    sp, sp, -2 * REGISTER_SIZE
    sd      ra, 0(sp)
    call    hal_context_switch
    ld      ra, 0(sp)
    addi    sp, sp, 2 * REGISTER_SIZE
    li      a0, 0
    csrsi   sstatus, SSTATUS_SIE
    ret

/* void hal_context_preempt(hal_context* from, const hal_context* to): the trap
 * frame further up this stack has the caller-saved integer registers. */
    .globl  hal_context_preempt
hal_context_preempt:
    addi    sp, sp, -PREEMPT_SIZE
    caller_saved_float fsd
    sd      ra, PREEMPT_RA(sp)
    /* Ends the interrupted code's reservation: its SC must not succeed after others
     * have run in between (unprivileged specification, 8.2: an SC to a scratch word). */
    addi    t0, sp, PREEMPT_SCRATCH
    sc.d    zero, zero, (t0)
    call    hal_context_switch
    caller_saved_float fld
    ld      ra, PREEMPT_RA(sp)
    addi    sp, sp, PREEMPT_SIZE
    ret

/* Where a context of context_make begins: s1 = entry, s2 = its argument, s0 = 0. */
    .globl  hal_context_begin
hal_context_begin:
    mv      a0, s2
    jalr    s1
    unimp   /* it must not return */

/* int64_t hal_call_on_stack(void* base, uint64_t size, int64_t (*function)(void*), void* argument):
 * the frame on the old stack is an ordinary one, so backtraces cross over. */
    .globl  hal_call_on_stack
hal_call_on_stack:
    addi    sp, sp, -2 * REGISTER_SIZE
    sd      ra, REGISTER_SIZE(sp)
    sd      s0, 0(sp)
    addi    s0, sp, 2 * REGISTER_SIZE
    add     sp, a0, a1
    addi    sp, sp, -2 * REGISTER_SIZE /* frame pointers stand inside the stack */
    mv      a0, a3
    jalr    a2
    addi    sp, s0, -2 * REGISTER_SIZE
    ld      ra, REGISTER_SIZE(sp)
    ld      s0, 0(sp)
    addi    sp, sp, 2 * REGISTER_SIZE
    ret
