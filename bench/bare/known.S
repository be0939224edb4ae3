/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the meter (bench/meter) is checked with: stretches with interrupts masked, and interrupts, whose
 * instructions are known (tests/cli/test_meter.py). Booted as bare.S is; then the machine goes off.
 */
    .equ UART, 0x10000000            # ns16550a of QEMU's virt machine: offset 0 THR
    .equ SBI_SRST, 0x53525354        # SBI 1.0, chapter 10: system reset extension
    .equ SSTATUS_SIE, 1 << 1
    .equ SOFTWARE, 1 << 1            # of sie and sip

    .section .text.start, "ax"
    .globl _start, known_entry, known_mark
_start:
    lla     t0, known_entry
    csrw    stvec, t0
    csrsi   sie, SOFTWARE
    li      s0, 0
    li      a3, UART
    .rept 1000                       # before the first unmasking: not counted
    nop
    .endr
    csrsi   sstatus, SSTATUS_SIE

    nop
    csrci   sstatus, SSTATUS_SIE     # 1. 300 instructions, the last byte's store to a device among them
    .rept 297
    nop
    .endr
    sb      zero, (a3)
    csrsi   sstatus, SSTATUS_SIE

    call    masks                    # 2. 42 instructions, by functions; begins where the first one returns
    .rept 38
    nop
    .endr
    call    unmasks

    csrsi   sip, SOFTWARE            # 3. an interrupt that is taken at once: 20 instructions to the mark
1:  beqz    s0, 1b
    csrci   sstatus, SSTATUS_SIE     # 4. and one that waits for 60 instructions
    csrsi   sip, SOFTWARE
    .rept 57
    nop
    .endr
    csrsi   sstatus, SSTATUS_SIE
    li      t0, 1
2:  beq     s0, t0, 2b
    csrsi   sip, SOFTWARE            # 5. and two in a row: one goes back, after 12, the other, after 25, does
    li      t0, 4                    # not: that one wakes, and its jump to the mark is the 26th
5:  bltu    s0, t0, 5b
    li      a7, SBI_SRST
    li      a6, 0                    # function: sbi_system_reset
    li      a0, 0                    # shutdown
    li      a1, 0                    # no reason
    ecall
3:  wfi
    j       3b

    .option push
    .option norvc
masks:
    csrci   sstatus, SSTATUS_SIE
    ret
unmasks:
    csrsi   sstatus, SSTATUS_SIE
    ret
    .option pop

    .balign 4
known_entry:
    li      t1, 2
    bgeu    s0, t1, two_in_a_row
    csrci   sip, SOFTWARE
    csrr    s1, sepc
    lla     t1, known_mark           # two instructions
    csrw    sepc, t1
    .rept 12
    nop
    .endr
    sret                             # the 20th
two_in_a_row:
    bne     s0, t1, 6f
    addi    s0, s0, 1
    .rept 7
    nop
    .endr
    sret                             # the 12th; the next one is pending
6:  csrci   sip, SOFTWARE
    csrr    s1, sepc
    .rept 19
    nop
    .endr
    csrsi   sstatus, SSTATUS_SIE     # the 25th
    j       known_mark
known_mark:
    addi    s0, s0, 1
    jr      s1
