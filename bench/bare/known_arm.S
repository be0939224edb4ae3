/* SPDX-License-Identifier: Apache-2.0 */
/*
 * known.S for Arm: the same stretches and interrupts, of as many instructions (tests/cli/test_meter.py). QEMU
 * loads it behind its own loader and enters it at EL1, masked; PSCI switches the machine off.
 */
    .equ UART, 0x09000000            /* pl011 of QEMU's virt machine: offset 0 UARTDR */
    .equ DISTRIBUTOR, 0x08000000     /* its GICv3 (IHI 0069, chapter 12): GICD_CTLR */
    .equ REDISTRIBUTOR, 0x080a0000   /* of the first core; its second frame has the SGIs */
    .equ WAKER, 0x14                 /* GICR_WAKER */
    .equ ASLEEP, 1 << 2              /* its ChildrenAsleep */
    .equ SGIS, 0x10000
    .equ GROUP, 0x80                 /* GICR_IGROUPR0 */
    .equ ENABLE, 0x100               /* GICR_ISENABLER0 */
    .equ ROUTED, 1 << 4 | 1 << 1     /* GICD_CTLR: ARE, EnableGrp1 */
    .equ SYSTEM_OFF, 0x84000008      /* PSCI (DEN 0022) */
    .equ IRQ, 2                      /* of DAIF's four */

    .section .text.start, "ax"
    .globl _start, known_entry, known_mark
_start:
    adr     x0, vectors
    msr     vbar_el1, x0
    ldr     x0, =REDISTRIBUTOR
    str     wzr, [x0, #WAKER]
1:  ldr     w1, [x0, #WAKER]
    tst     w1, #ASLEEP
    b.ne    1b
    add     x0, x0, #SGIS
    mov     w1, #1                   /* SGI 0, group 1 */
    str     w1, [x0, #GROUP]
    str     w1, [x0, #ENABLE]
    ldr     x0, =DISTRIBUTOR
    mov     w1, #ROUTED
    str     w1, [x0]
    mov     x1, #0xff                /* every priority */
    msr     icc_pmr_el1, x1
    mov     x1, #1
    msr     icc_igrpen1_el1, x1
    isb
    mov     x19, #0
    mov     x11, #1                  /* SGI 0, to core 0 */
    ldr     x12, =UART
    .rept 1000                       /* before the first unmasking: not counted */
    nop
    .endr
    msr     daifclr, #IRQ

    nop
    msr     daifset, #IRQ            /* 1. 300 instructions, the last byte's store to a device among them */
    .rept 297
    nop
    .endr
    strb    wzr, [x12]
    msr     daifclr, #IRQ

    bl      masks                    /* 2. 42 instructions, by functions; begins where the first one returns */
    .rept 38
    nop
    .endr
    bl      unmasks

    msr     icc_sgi1r_el1, x11       /* 3. an interrupt that is taken at once: 20 instructions to the mark */
1:  cbz     x19, 1b
    msr     daifset, #IRQ            /* 4. and one that waits for 60 instructions */
    msr     icc_sgi1r_el1, x11
    .rept 57
    nop
    .endr
    msr     daifclr, #IRQ
2:  sub     x10, x19, #1
    cbz     x10, 2b
    msr     icc_sgi1r_el1, x11       /* 5. and two in a row: one goes back, after 12, the other, after 25, does */
5:  sub     x10, x19, #4             /*    not: that one wakes, and its jump to the mark is the 26th */
    tbnz    x10, #63, 5b
    ldr     w0, =SYSTEM_OFF
    hvc     #0
3:  wfi
    b       3b

masks:
    msr     daifset, #IRQ
    ret
unmasks:
    msr     daifclr, #IRQ
    ret
    .ltorg

handler:                             /* the second instruction; x19 counts */
    cmp     x19, #2
    b.hs    two_in_a_row
    mrs     x9, icc_iar1_el1
    msr     icc_eoir1_el1, x9
    mrs     x20, elr_el1
    adr     x9, known_mark
    msr     elr_el1, x9
    .rept 11
    nop
    .endr
    eret                             /* the 20th */
two_in_a_row:
    b.ne    6f
    add     x19, x19, #1
    .rept 6
    nop
    .endr
    eret                             /* the 12th; the interrupt is still pending */
6:  mrs     x9, icc_iar1_el1
    msr     icc_eoir1_el1, x9
    mrs     x20, elr_el1
    .rept 17
    nop
    .endr
    msr     daifclr, #IRQ            /* the 25th */
    b       known_mark
known_mark:
    add     x19, x19, #1
    br      x20

    .balign 2048                     /* VBAR_EL1 (DDI 0487, D1.3.2.5): from EL1 on SP_EL1, IRQ */
vectors:
    .skip   0x280
known_entry:
    b       handler
