/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts: stackful, and all of a context that does not run lies below its stack
 * pointer (frame.h): everything here is masked, and interrupts have stacks of their
 * own. Only these lines use the FP registers: the kernel is compiled without them,
 * so they always hold the fiber's.
 *
 * A context that has written no FP register has nothing there to keep, and sstatus
 * says so: SD is clear while FS is not Dirty (privileged specification 1.12, 3.1.6.6
 * and 4.1.1). Once a context has, it stays Dirty, for loading what it kept writes
 * the registers.
 */
#include "hal/arch/riscv64/layout.h"

    .option arch, +d

/* One list serves save and restore, and so does the next. */
.macro callee_saved do
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    \do     s\n, \n * REGISTER_SIZE - SWITCH_SIZE(sp)
    .endr
    \do     ra, SWITCH_RA - SWITCH_SIZE(sp)
    \do     tp, SWITCH_TP - SWITCH_SIZE(sp)
.endm

.macro callee_saved_float do
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    \do     fs\n, SWITCH_FS + \n * REGISTER_SIZE - SWITCH_SIZE(sp)
    .endr
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

/* int64_t hal_context_switch_unmask(hal_context* from, const hal_context* to): what most switches are. How a
 * context goes on is said by its own frame, so it makes no difference by which of the two it is left for another. */
    .globl  hal_context_switch_unmask
hal_context_switch_unmask:
    li      t2, SWITCH_UNMASKS
.Lsave:
    callee_saved sd
    csrr    t0, XSTATUS
    bltz    t0, .Lfrom_float
    sd      t2, SWITCH_HOW - SWITCH_SIZE(sp)
    sd      sp, 0(a0)
    ld      sp, 0(a1)
.Lload:
    ld      t1, SWITCH_HOW - SWITCH_SIZE(sp)
    bnez    t1, .Lnot_commonest
.Lunmask:
    callee_saved ld
    li      a0, 0
    csrsi   XSTATUS, XSTATUS_IE
    ret

/* void hal_context_switch(hal_context* from, const hal_context* to) */
    .globl  hal_context_switch
hal_context_switch:
    li      t2, SWITCH_MASKED
    j       .Lsave

.Lnot_commonest:
    bgtz    t1, .Lto_other
.Lstay_masked:
    callee_saved ld
    ret

.Lfrom_float:
    callee_saved_float fsd
    frcsr   t1
    sd      t1, SWITCH_FCSR - SWITCH_SIZE(sp)
    addi    t2, t2, SWITCH_WITH_FLOAT
    sd      t2, SWITCH_HOW - SWITCH_SIZE(sp)
    sd      sp, 0(a0)
    ld      sp, 0(a1)
.Lload_after_float:
    ld      t1, SWITCH_HOW - SWITCH_SIZE(sp)
    addi    t0, t1, -SWITCH_NEW
    bgtz    t0, .Lto_float
    /* The next has no FP state yet: to nearest, no flags, and Dirty becomes Clean. */
    fscsr   zero
    li      t0, XSTATUS_FS_INITIAL
    csrc    XSTATUS, t0
    beqz    t1, .Lunmask
    j       .Lnot_commonest

.Lto_other:
    addi    t0, t1, -SWITCH_NEW
    beqz    t0, .Lto_new
.Lto_float:
    ld      t0, SWITCH_FCSR - SWITCH_SIZE(sp)
    fscsr   t0
    callee_saved_float fld
    addi    t1, t1, -SWITCH_WITH_FLOAT
    beqz    t1, .Lunmask
    j       .Lstay_masked

/* Where a context of context_make begins, which has an entry and its argument, and FP state as above. s0 = 0 ends
 * backtraces. */
.Lto_new:
    ld      t1, SWITCH_ENTRY - SWITCH_SIZE(sp)
    ld      a0, SWITCH_ARGUMENT - SWITCH_SIZE(sp)
    li      s0, 0
    li      tp, 0
    jalr    t1
    unimp   /* it must not return */

/* void hal_context_leave(const hal_context* to): the second half of the above. */
    .globl  hal_context_leave
hal_context_leave:
    csrr    t0, XSTATUS
    ld      sp, 0(a0)
    bgez    t0, .Lload
    j       .Lload_after_float

/* void hal_context_preempt(hal_context* from, const hal_context* to): the trap
 * frame further up this stack has the caller-saved integer registers. */
    .globl  hal_context_preempt
hal_context_preempt:
    addi    sp, sp, -PREEMPT_SIZE
    csrr    t0, XSTATUS
    sd      t0, PREEMPT_STATUS(sp)
    bgez    t0, 1f /* as above */
    caller_saved_float fsd
1:  sd      ra, PREEMPT_RA(sp)
    /* A fault's handler that leaves has dealt with it (trap.S). */
    csrr    t0, XSCRATCH
    sd      zero, CORE_REPORTING(t0)
    /* Ends the interrupted code's reservation: its SC must not succeed after others
     * have run in between (unprivileged specification, 8.2: an SC to a scratch word). */
    addi    t0, sp, PREEMPT_SCRATCH
    sc.d    zero, zero, (t0)
    li      t2, SWITCH_MASKED
    jal     .Lsave
    ld      t0, PREEMPT_STATUS(sp)
    bgez    t0, 1f
    caller_saved_float fld
1:  ld      ra, PREEMPT_RA(sp)
    addi    sp, sp, PREEMPT_SIZE
    ret

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
