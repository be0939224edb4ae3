/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exception entry and return (Arm ARM, DDI 0487, D1.3 and D1.4). Compiled code runs
 * at EL1 on SP_EL0; an exception selects SP_EL1, which points to the core's struct
 * Core and is no stack. So no instruction here touches the stack of what was
 * interrupted: a fiber that has overflowed its stack still ends in a readable report.
 *
 * An interrupt runs on the core's interrupt stack, and so does a fault. A fault of a
 * handler runs on the emergency stack, which nothing else uses, so the frames that
 * explain it stay as they were. A fault during the report of a fault is reported by
 * the HAL itself, there as well.
 */
#include "hal/arch/aarch64/save.inc"

    .arch   armv8-a

    .text
/* VBAR_EL1: sixteen entries of 128 bytes, D1.3.2.5. */
    .globl  hal_trap_vectors
    .balign 2048
hal_trap_vectors:
    vectors_of_kernel
    .globl  hal_trap_entry /* where an interrupt of the kernel's privilege enters, for who measures */
    .set    hal_trap_entry, hal_trap_vectors + 128
    /* From EL0, 64 and 32 bits: nothing runs there. */
    .rept   8
    .balign 128
    b       hal_trap_lost
    .endr
    .balign 128

interrupt:
    ldr     x1, [sp, #CORE_INTERRUPT_TOP]
    sub     x1, x1, #FRAME_SIZE
    fill_frame
    bl      hal_trap_interrupt

    .globl  hal_trap_return
hal_trap_return:
    mov     x1, sp
    ldr     x2, [x1, #FRAME_STATUS]
    ldp     x29, x3, [x1, #FRAME_PREVIOUS]
    ldr     x4, [x1, #FRAME_SP]
    msr     spsel, #1
    msr     spsr_el1, x2
    msr     elr_el1, x3
    msr     sp_el0, x4
    caller_saved ldp, ldr
    ldp     x0, x1, [x1]
    eret

    .globl  hal_trap_from_kernel /* sp = this core, whose scratch words hold x0 and x1 */
hal_trap_from_kernel:
    ldr     x1, [sp, #CORE_REPORTING]
    cbnz    x1, in_report
    mov     x1, #1
    str     x1, [sp, #CORE_REPORTING]
    mrs     x0, sp_el0
    ldr     x1, [sp, #CORE_INTERRUPT_BASE]
    cmp     x0, x1
    b.lo    1f
    ldr     x1, [sp, #CORE_INTERRUPT_TOP]
    cmp     x0, x1
    b.lo    in_handler
1:  ldr     x1, [sp, #CORE_INTERRUPT_TOP]
    mov     x0, #FAULT_CONTEXT
    b       3f
in_handler:
    ldr     x1, [sp, #CORE_EMERGENCY_TOP]
    mov     x0, #FAULT_HANDLER
    b       3f
in_report:
    ldr     x1, [sp, #CORE_EMERGENCY_TOP]
    mov     x0, #FAULT_REPORT
    .globl  hal_trap_report /* x1 = the stack for it, x0 = FAULT_*, sp as above */
hal_trap_report:
3:  sub     x1, x1, #FRAME_SIZE
    str     x0, [x1, #FRAME_WHERE]
    stp     x19, x20, [x1, #19 * REGISTER_SIZE]
    stp     x21, x22, [x1, #21 * REGISTER_SIZE]
    stp     x23, x24, [x1, #23 * REGISTER_SIZE]
    stp     x25, x26, [x1, #25 * REGISTER_SIZE]
    stp     x27, x28, [x1, #27 * REGISTER_SIZE]
    str     x29, [x1, #29 * REGISTER_SIZE]
    fill_frame
    mov     x0, sp
    bl      hal_trap_fault
    mrs     x0, tpidr_el1
    str     xzr, [x0, #CORE_REPORTING]
    b       hal_trap_return /* the handler has mended the cause */

/* Stacks are as they were; the core's own emergency stack is as good as any. */
    .globl  hal_trap_lost
hal_trap_lost:
    mrs     x0, tpidr_el1
    ldr     x1, [x0, #CORE_EMERGENCY_TOP]
    msr     spsel, #0
    mov     sp, x1
    mov     x29, #0
    bl      hal_trap_give_up
    brk     #0
