/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The least that can be idle: says so and waits, with nothing that could wake it. What an
 * idle machine costs its host stands beside it (idle.vmm_wakeups). Booted as bare.S is.
 */
    .equ UART, 0x10000000            # ns16550a of QEMU's virt machine: offset 0 THR, 5 LSR
    .equ UART_LSR, 5
    .equ UART_LSR_THRE, 0x20         # the transmit holding register is empty

    .section .text.start, "ax"
    .globl _start
_start:
    csrw    sie, zero
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
3:  wfi
    j       3b

    .section .rodata, "a"
message:
    .ascii  "\x10oidle\n"
message_end:
