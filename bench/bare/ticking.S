/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Says that it is idle, but a timer wakes it a hundred times a second: what counts wake-ups
 * from outside is checked with it (tests/cli/test_bench.py). Booted as bare.S is.
 */
    .equ UART, 0x10000000            # ns16550a of QEMU's virt machine: offset 0 THR, 5 LSR
    .equ UART_LSR, 5
    .equ SIE_TIMER, 1 << 5           # privileged specification 1.12, 4.1.3
    .equ TICKS, 100000               # of 100 ns
    .equ UART_LSR_THRE, 0x20         # the transmit holding register is empty

    .section .text.start, "ax"
    .globl _start
_start:
    csrw    sie, zero
    li      t0, SIE_TIMER
    csrs    sie, t0                  # ends a wait; not taken, for sstatus.SIE stays clear
    lla     a1, message
    lla     a2, message_end
    li      a3, UART
1:  lbu     a4, (a1)
2:  lbu     a5, UART_LSR(a3)
    andi    a5, a5, UART_LSR_THRE
    beqz    a5, 2b
    sb      a4, (a3)
    addi    a1, a1, 1
    bltu    a1, a2, 1b
3:  rdtime  t0
    li      t1, TICKS
    add     t0, t0, t1
    csrw    0x14d, t0                # stimecmp (Sstc 1.0)
    wfi
    j       3b

    .section .rodata, "a"
message:
    .ascii  "\x10oidle\n"
message_end:
