/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User privilege, EL0 (Arm ARM, DDI 0487, D1.3; abi/hal.h, struct hal_user): how a
 * program is entered, how its calls come in, and the code of the gate.
 *
 * The same kernel with a change of privilege around it: a call enters the very function
 * that a program at kernel privilege would have called, on a stack of the context's own,
 * and an interrupt goes the way of trap.S. What is here besides is Core.call_stack: where
 * the next call begins. Set whenever the core goes to EL0, and kept in the frame of an
 * interrupt, which may return to another context.
 *
 * The kernel does not touch a page that a program can. Where the processor has PAN (8.1)
 * it is always set, and an access that does is a fault; older ones cannot tell.
 */
#include "hal/arch/aarch64/save.inc"

    .arch   armv8-a

/* What a program may reach is what its view maps: TTBR0_EL1. It is kept on top of the stack for its calls: written
 * there once, taken from there on every way to EL0. The kernel is the same in all views. x9 = this core, x12 =
 * Core.call_stack; `behind` is done where another view was in force. Uses x13 and x14. */
.macro set_reach behind
    ldr     x13, [x12, #REGISTER_SIZE]
    mrs     x14, ttbr0_el1
    cmp     x13, x14
    b.eq    9f
    adr     x14, 8f
    b       set_view
8:  \behind
9:
.endm

.macro clear_vectors registers:vararg
    .irp n, \registers
    movi    d\n, #0 /* and the upper half */
    .endr
.endm

/* Behind a call in which another program ran: the vector registers that a function may change are that one's. Of v8-v15
 * the switch has loaded the lower halves, which clears the upper ones. Whoever was interrupted has all of its own. */
.macro forget_caller_saved
    clear_vectors 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
.endm

    .text

/* VBAR_EL1, once a program runs on this core: sixteen entries of 128 bytes, D1.3.2.5. */
    .balign 2048
user_vectors:
    vectors_of_kernel
    /* From EL0, 64 bits */
    .balign 128
    stp     x0, x1, [sp, #CORE_SCRATCH]
    b       from_user
    .balign 128
    stp     x0, x1, [sp, #CORE_SCRATCH]
    b       interrupt
    .balign 128
    b       .
    .balign 128
    stp     x0, x1, [sp, #CORE_SCRATCH]
    b       fault_of_user
    /* From EL0, 32 bits: SPSR_EL1 never says so. */
    .rept   4
    .balign 128
    b       hal_trap_lost
    .endr
    .balign 128

interrupt:
    ldr     x1, [sp, #CORE_INTERRUPT_TOP]
    sub     x1, x1, #FRAME_SIZE
    ldr     x0, [sp, #CORE_CALL_STACK]
    str     x0, [x1, #FRAME_CALL_STACK]
    fill_frame
    bl      hal_trap_interrupt
    mrs     x9, tpidr_el1
    ldr     x12, [sp, #FRAME_CALL_STACK]
    str     x12, [x9, #CORE_CALL_STACK]
    ldr     x13, [sp, #FRAME_STATUS]
    tst     x13, #SPSR_MODE
    b.ne    1f /* back to the kernel, whatever program ran before */
    set_reach
1:  b       hal_trap_return

/* x13 = the view; returns to x14. What the processor keeps of it is marked with its ASID, and what is the kernel's is
 * global (D8.13.1): nothing need be forgotten, but where all have ASID 0. The return to EL0 synchronises. */
set_view:
    msr     ttbr0_el1, x13
    lsr     x13, x13, #TTBR_ASID_SHIFT
    cbnz    x13, 1f
    isb
    tlbi    aside1, x13
    dsb     nsh
    ldr     x13, [x9, #CORE_VIEW_FLUSHES]
    add     x13, x13, #1
    str     x13, [x9, #CORE_VIEW_FLUSHES]
1:  br      x14

/* A program's stack pointer says nothing about what the kernel was doing. */
fault_of_user:
    mov     x0, #1
    str     x0, [sp, #CORE_REPORTING]
    ldr     x1, [sp, #CORE_INTERRUPT_TOP]
    mov     x0, #FAULT_USER
    b       hal_trap_report

/* A call: x8 its number, x0-x5 its arguments. Everything that compiled code preserves
 * is preserved by the function itself. */
from_user:
    mrs     x1, esr_el1
    lsr     x1, x1, #ESR_CLASS_SHIFT
    cmp     x1, #CLASS_CALL_OF_USER
    b.ne    fault_of_user
    ldp     x0, x1, [sp, #CORE_SCRATCH]
    ldr     x9, [sp, #CORE_CALL_STACK]
    mrs     x10, sp_el0
    mrs     x11, elr_el1 /* behind the svc */
    msr     spsel, #0
    sub     sp, x9, #CALL_SIZE
    stp     x10, x30, [sp, #CALL_SP]
    stp     x29, x11, [sp, #CALL_PREVIOUS]
    add     x29, sp, #CALL_PREVIOUS
    cmp     x8, #CALLS
    b.hs    no_such_call
    adrp    x9, hal_user_calls
    add     x9, x9, :lo12:hal_user_calls
    ldr     x9, [x9, x8, lsl #3]
    msr     daifclr, #DAIF_IRQ
    blr     x9
    msr     daifset, #DAIF_IRQ
gate_return:
    mrs     x9, tpidr_el1
    ldp     x10, x30, [sp, #CALL_SP]
    ldp     x29, x11, [sp, #CALL_PREVIOUS]
    add     x12, sp, #CALL_SIZE
    str     x12, [x9, #CORE_CALL_STACK]
    set_reach forget_caller_saved
    msr     spsel, #1
    msr     sp_el0, x10
    msr     elr_el1, x11
/* Masked, on SP_EL1, with what the program keeps in place: the rest is nobody's but the kernel's. */
to_user:
    mov     x9, #SPSR_EL0_UNMASKED
    msr     spsr_el1, x9
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18
    mov     x\n, #0
    .endr
    eret
no_such_call:
    mov     x0, #-ERROR_NOSYS
    b       gate_return

/* void hal_user_enter(uint64_t entry, uint64_t argument, uint64_t user_stack, uint64_t kernel_stack, uint64_t guard,
 * uint64_t view) */
    .globl  hal_user_enter
hal_user_enter:
    msr     daifset, #DAIF_IRQ
    adrp    x9, user_vectors
    add     x9, x9, :lo12:user_vectors
    msr     vbar_el1, x9 /* in force from the return to EL0 on, as all that follows */
    mov     x9, #CNTKCTL_EL0VCTEN
    msr     cntkctl_el1, x9
    mrs     x9, tpidr_el1
    cbnz    x5, 1f
    adrp    x5, hal_mmu /* without a view: the map of all */
    add     x5, x5, :lo12:hal_mmu
    ldr     x5, [x5, #MMU_TTBR0]
1:  str     x5, [x3, #-REGISTER_SIZE]
    sub     x12, x3, #2 * REGISTER_SIZE
    str     x12, [x9, #CORE_CALL_STACK]
    set_reach
    msr     elr_el1, x0
    mov     x0, x1
    msr     spsel, #1
    msr     sp_el0, x2
    ldr     x30, =RUMPK_SYSTABLE_ADDRESS + PAGE_SIZE + GATE_END_OF_FIBER
    .irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
    mov     x\n, #0
    .endr
    clear_vectors 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    clear_vectors 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    b       to_user
    .ltorg

/* The gate, copied into its page at boot: a program calls here as it would call a function. */
    .section .rodata.hal_gate, "a", @progbits
    .balign 8
    .globl  hal_gate
hal_gate:
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
    mov     x8, #\n
    svc     #0
    ret
    .endr
    .if . - hal_gate != GATE_END_OF_FIBER
    .error "a stub has GATE_STUB_SIZE bytes"
    .endif
    .globl  hal_gate_halt
hal_gate_halt:
    mov     x8, #CALL_NUMBER_HALT
    mov     x0, #0
    mov     x1, #SCOPE_FIBER
    svc     #0
    udf     #0

/* int64_t time(uint64_t clock), as Clock::nanoseconds of the same counter. ISB: the time is not that of
 * an instruction before (D12.1.2). */
    .globl  hal_gate_time
hal_gate_time:
    cmp     x0, #GATE_CLOCK_WALL
    b.hi    2f
    adr     x1, hal_gate_clock
    ldp     x2, x3, [x1]
    ldr     x4, [x1, #2 * REGISTER_SIZE]
    isb
    mrs     x5, cntvct_el0
    umulh   x3, x3, x5
    madd    x2, x2, x5, x3
    cbz     x0, 1f
    cbz     x4, 3f
    add     x2, x2, x4
1:  mov     x0, x2
    ret
2:  mov     x0, #-ERROR_INVAL
    ret
3:  mov     x0, #-ERROR_NODEV
    ret

/* Written in the copy: nanoseconds a tick, whole and fraction; ns from reset to 1970. */
    .balign 8
    .globl  hal_gate_clock
hal_gate_clock:
    .xword  0, 0, 0
    .globl  hal_gate_end
hal_gate_end:
