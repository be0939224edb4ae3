/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts: stackful, and all of a context that does not run lies on its stack
 * (frame.h). Only these lines use the vector registers: the kernel is compiled
 * without them, so they always hold the fiber's.
 */
#include "hal/arch/aarch64/layout.h"

    .arch   armv8-a

/* One list serves save and restore. */
.macro callee_saved pair
    \pair   x19, x20, [sp, #0 * REGISTER_SIZE]
    \pair   x21, x22, [sp, #2 * REGISTER_SIZE]
    \pair   x23, x24, [sp, #4 * REGISTER_SIZE]
    \pair   x25, x26, [sp, #6 * REGISTER_SIZE]
    \pair   x27, x28, [sp, #8 * REGISTER_SIZE]
    \pair   x29, x30, [sp, #10 * REGISTER_SIZE]
    \pair   d8, d9, [sp, #SWITCH_D]
    \pair   d10, d11, [sp, #SWITCH_D + 2 * REGISTER_SIZE]
    \pair   d12, d13, [sp, #SWITCH_D + 4 * REGISTER_SIZE]
    \pair   d14, d15, [sp, #SWITCH_D + 6 * REGISTER_SIZE]
.endm

.macro vectors pair
    \pair   q0, q1, [sp, #0]
    \pair   q2, q3, [sp, #32]
    \pair   q4, q5, [sp, #64]
    \pair   q6, q7, [sp, #96]
    \pair   q8, q9, [sp, #128]
    \pair   q10, q11, [sp, #160]
    \pair   q12, q13, [sp, #192]
    \pair   q14, q15, [sp, #224]
    \pair   q16, q17, [sp, #256]
    \pair   q18, q19, [sp, #288]
    \pair   q20, q21, [sp, #320]
    \pair   q22, q23, [sp, #352]
    \pair   q24, q25, [sp, #384]
    \pair   q26, q27, [sp, #416]
    \pair   q28, q29, [sp, #448]
    \pair   q30, q31, [sp, #480]
.endm

    .text

/* void hal_context_switch(hal_context* from, const hal_context* to) */
    .globl  hal_context_switch
hal_context_switch:
    sub     sp, sp, #SWITCH_SIZE
    callee_saved stp
    mrs     x2, fpcr
    mrs     x3, fpsr
    mrs     x4, tpidr_el0
    stp     x2, x3, [sp, #SWITCH_FPCR]
    stp     x4, xzr, [sp, #SWITCH_TPIDR] /* and SWITCH_ENTRY: it has begun */
    /* A fault's handler that leaves this way has dealt with it (trap.S). */
    mrs     x5, tpidr_el1
    str     xzr, [x5, #CORE_REPORTING]
    mov     x5, sp
    str     x5, [x0]
.Lgo_on:
    ldr     x5, [x1]
    mov     sp, x5
    ldp     x7, x8, [sp, #SWITCH_TPIDR]
    cbnz    x8, .Lto_new
    ldp     x5, x6, [sp, #SWITCH_FPCR]
    /* Writing FPCR empties the pipeline on many processors; it seldom differs. */
    cmp     x5, x2
    b.eq    1f
    msr     fpcr, x5
1:  msr     fpsr, x6
    msr     tpidr_el0, x7
    callee_saved ldp
    add     sp, sp, #SWITCH_SIZE
    ret

/* Where a context of context_make begins. x29 = 0 ends backtraces; FPCR says "to nearest, no traps". */
.Lto_new:
    ldr     x0, [sp, #SWITCH_ARGUMENT]
    add     sp, sp, #SWITCH_SIZE
    mov     x29, #0
    cbz     x2, 1f
    msr     fpcr, xzr
1:  msr     fpsr, xzr
    msr     tpidr_el0, xzr
    blr     x8
    brk     #0 /* it must not return */

/* void hal_context_leave(const hal_context* to): the second half of the above. */
    .globl  hal_context_leave
hal_context_leave:
    mov     x1, x0
    mrs     x2, fpcr
    b       .Lgo_on

/* int64_t hal_context_switch_unmask(hal_context* from, const hal_context* to) */
    .globl  hal_context_switch_unmask
hal_context_switch_unmask:
    stp     x29, x30, [sp, #-2 * REGISTER_SIZE]!
    bl      hal_context_switch
    ldp     x29, x30, [sp], #2 * REGISTER_SIZE
    mov     x0, #0
    msr     daifclr, #DAIF_IRQ
    ret

/* void hal_context_preempt(hal_context* from, const hal_context* to): the trap
 * frame further up this stack has the caller-saved integer registers. */
    .globl  hal_context_preempt
hal_context_preempt:
    sub     sp, sp, #PREEMPT_SIZE
    vectors stp
    str     x30, [sp, #PREEMPT_LR]
    /* Ends the interrupted code's reservation: its store-exclusive must not succeed after
     * others have run in between. (An exception's return clears the monitor too, but a switch
     * may go to a fiber that has not been interrupted: DDI 0487, B2.12.) */
    clrex
    bl      hal_context_switch
    vectors ldp
    ldr     x30, [sp, #PREEMPT_LR]
    add     sp, sp, #PREEMPT_SIZE
    ret

/* int64_t hal_call_on_stack(void* base, uint64_t size, int64_t (*function)(void*), void* argument):
 * the frame on the old stack is an ordinary one, so backtraces cross over. */
    .globl  hal_call_on_stack
hal_call_on_stack:
    stp     x29, x30, [sp, #-2 * REGISTER_SIZE]!
    mov     x29, sp
    add     x0, x0, x1
    mov     sp, x0
    mov     x0, x3
    blr     x2
    mov     sp, x29
    ldp     x29, x30, [sp], #2 * REGISTER_SIZE
    ret
