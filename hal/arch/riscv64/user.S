/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User privilege (privileged specification 1.12, 4.1; abi/hal.h, struct hal_user): how a
 * program is entered, how its calls come in, and the code of the gate.
 *
 * The same kernel with a change of privilege around it: a call enters the very function
 * that a program at kernel privilege would have called, on a stack of the context's own,
 * and an interrupt goes the way of trap.S. What is here besides is
 *   - Core.call_stack: where the next call begins. Set whenever the core goes to user
 *     privilege, and kept in the frame of an interrupt, which may return to another context.
 *   - gp, which the kernel does not use, and a program may.
 * sstatus.SUM is never set: the kernel does not touch a page that a program can.
 */
#include "hal/arch/riscv64/save.inc"
#if RUMPK_MACHINE_MODE
#include "hal/arch/riscv64/machine/reach.inc"
#else
#include "hal/arch/riscv64/supervisor/reach.inc"
#endif

    .option arch, +d

.macro clear_float registers:vararg
    .irp n, \registers
    fmv.d.x f\n, zero
    .endr
.endm
.macro clear_all_float
    clear_float 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
.endm

/* Behind a call in which another program ran: what of FP a function may change is that one's. A context without FP
 * state has lost it already (hal_set_view). */
.macro forget_caller_saved
    csrr    t2, XSTATUS
    bgez    t2, 9f
    clear_float 0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17, 28, 29, 30, 31
.endm

    .text

/* stvec, once a program runs on this core. */
    .balign 4 /* direct mode: 4.1.2 */
user_trap_entry:
    csrrw   t0, XSCRATCH, t0
    sd      sp, CORE_TRAP_SP(t0)
    sd      t1, CORE_TRAP_T1(t0)
    csrr    t1, XCAUSE
    bltz    t1, interrupt /* 4.1.8 */
    addi    t1, t1, -CAUSE_CALL_OF_USER
    beqz    t1, gate
    csrr    t1, XSTATUS
    slli    t1, t1, XSTATUS_PP_TO_SIGN
    bltz    t1, hal_trap_from_kernel
    /* A program's stack pointer says nothing about what the kernel was doing. */
    sd      t0, CORE_REPORTING(t0)
    ld      sp, CORE_INTERRUPT_TOP(t0)
    li      t1, FAULT_USER
    j       hal_trap_report

interrupt:
    ld      sp, CORE_INTERRUPT_TOP(t0)
    addi    sp, sp, -FRAME_SIZE
    ld      t1, CORE_CALL_STACK(t0)
    sd      t1, FRAME_CALL_STACK(sp)
    fill_frame
    sd      gp, 3 * REGISTER_SIZE(sp)
    addi    s0, sp, FRAME_SIZE
    csrr    a0, XCAUSE
    call    hal_trap_interrupt
    csrr    t0, XSCRATCH
    ld      t1, FRAME_CALL_STACK(sp)
    sd      t1, CORE_CALL_STACK(t0)
    ld      t2, FRAME_STATUS(sp)
    slli    t2, t2, XSTATUS_PP_TO_SIGN
    bltz    t2, 1f /* back to the kernel, whatever program ran before */
    set_reach
1:  ld      gp, 3 * REGISTER_SIZE(sp)
    j       hal_trap_return

/* A call: a7 its number, a0-a5 its arguments. Everything that compiled code preserves
 * is preserved by the function itself. */
gate:
    ld      sp, CORE_CALL_STACK(t0)
    addi    sp, sp, -CALL_SIZE
    ld      t1, CORE_TRAP_SP(t0)
    csrw    XSCRATCH, t0
    sd      t1, CALL_SP(sp)
    sd      gp, CALL_GP(sp)
    sd      ra, CALL_RA(sp)
    sd      s0, CALL_PREVIOUS(sp)
    csrr    t1, XEPC
    addi    t1, t1, 4 /* behind the ecall */
    sd      t1, CALL_PC(sp)
    addi    s0, sp, CALL_SIZE
    li      t1, CALLS
    bgeu    a7, t1, no_such_call
    slli    a7, a7, 3
    lla     t1, hal_user_calls
    add     t1, t1, a7
    ld      t1, 0(t1)
    csrsi   XSTATUS, XSTATUS_IE
    jalr    t1
    csrci   XSTATUS, XSTATUS_IE
gate_return:
    csrr    t0, XSCRATCH
    addi    t1, sp, CALL_SIZE
    sd      t1, CORE_CALL_STACK(t0)
    set_reach forget_caller_saved
    ld      t1, CALL_PC(sp)
    csrw    XEPC, t1
    ld      gp, CALL_GP(sp)
    ld      ra, CALL_RA(sp)
    ld      s0, CALL_PREVIOUS(sp)
    ld      sp, CALL_SP(sp)
/* Masked, with what the program keeps in place: the rest is nobody's but the kernel's. */
to_user:
    li      t0, XSTATUS_PP
    csrc    XSTATUS, t0
    li      t0, XSTATUS_PIE
    csrs    XSTATUS, t0
    .irp n, 5, 6, 7, 11, 12, 13, 14, 15, 16, 17, 28, 29, 30, 31
    li      x\n, 0
    .endr
    XRET
no_such_call:
    li      a0, -ERROR_NOSYS
    j       gate_return
    /* t2 = the view; returns to t3. Another program ran before: a context with FP state has its own in the registers
     * by now, one without has that one's. Dirty becomes Clean again (switch.S). */
    set_view
    csrr    t2, XSTATUS
    bltz    t2, 1f
    clear_all_float
    li      t2, XSTATUS_FS_INITIAL
    csrc    XSTATUS, t2
1:  jr      t3

/* void hal_user_enter(uint64_t entry, uint64_t argument, uint64_t user_stack, uint64_t kernel_stack, uint64_t guard,
 * uint64_t view) */
    .globl  hal_user_enter
hal_user_enter:
    csrci   XSTATUS, XSTATUS_IE
    lla     t0, user_trap_entry
    csrw    XTVEC, t0
    csrwi   XCOUNTEREN, XCOUNTEREN_TM
    csrr    t0, XSCRATCH
    keep_reach a3, a4, a5
    sd      a3, CORE_CALL_STACK(t0)
    mv      t1, a3
    set_reach
    csrw    XEPC, a0
    mv      a0, a1
    mv      sp, a2
    li      ra, RUMPK_SYSTABLE_ADDRESS + PAGE_SIZE + GATE_END_OF_FIBER
    /* As all others, FP registers; it has no FP state yet, so Dirty becomes Clean (switch.S). */
    clear_all_float
    fscsr   zero
    li      t0, XSTATUS_FS_INITIAL
    csrc    XSTATUS, t0
    .irp n, 3, 4, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
    li      x\n, 0
    .endr
    j       to_user

/* The gate, copied into its page at boot: a program calls here as it would call a function. */
    .section .rodata.hal_gate, "a", @progbits
    .option push
    .option norelax
    .balign 8
    .globl  hal_gate
hal_gate:
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
    li      a7, \n
    ecall
    ret
    .endr
    .if . - hal_gate != GATE_END_OF_FIBER
    .error "a stub has GATE_STUB_SIZE bytes"
    .endif
    .globl  hal_gate_halt
hal_gate_halt:
    /* Where a fiber's function returns to. */
    li      a7, CALL_NUMBER_HALT
    li      a0, 0
    li      a1, SCOPE_FIBER
    ecall
    unimp

/* int64_t time(uint64_t clock), as Clock::nanoseconds of the same register; rdtime may
 * be ahead of or behind other instructions, which no clock promises otherwise. */
    .globl  hal_gate_time
hal_gate_time:
    li      t0, GATE_CLOCK_WALL
    bltu    t0, a0, 2f
    lla     t0, hal_gate_clock
    ld      t1, 0(t0)
    ld      t2, 8(t0)
    ld      t3, 16(t0)
    rdtime  t4
    mul     t1, t1, t4
    mulhu   t2, t2, t4
    add     t1, t1, t2
    beqz    a0, 1f
    beqz    t3, 3f
    add     t1, t1, t3
1:  mv      a0, t1
    ret
2:  li      a0, -ERROR_INVAL
    ret
3:  li      a0, -ERROR_NODEV
    ret

/* Written in the copy: nanoseconds a tick, whole and fraction; ns from reset to 1970. */
    .balign 8
    .globl  hal_gate_clock
hal_gate_clock:
    .dword  0, 0, 0
    .globl  hal_gate_end
hal_gate_end:
    .option pop
