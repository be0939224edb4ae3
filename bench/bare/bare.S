/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bare image: the least that can be booted by the same firmware. It sends one
 * line of output and the exit frame (abi/console.h) and powers the machine off.
 * `boot.wall` puts it beside the kernel with hello: what both have in common,
 * emulator and firmware, is not ours to save.
 *
 * Entered by OpenSBI in S-mode at 0x80200000, MMU off (SBI specification 1.0, chapter 3).
 */
    .equ UART, 0x10000000            # ns16550a of QEMU's virt machine: offset 0 THR, 5 LSR
    .equ UART_LSR, 5
    .equ UART_LSR_THRE, 0x20         # the transmit holding register is empty
    .equ SBI_SRST, 0x53525354        # SBI 1.0, chapter 10: system reset extension
    .equ SBI_SRST_SHUTDOWN, 0

    .section .text.start, "ax"
    .globl _start
_start:
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

    li      a7, SBI_SRST
    li      a6, 0                    # function: sbi_system_reset
    li      a0, SBI_SRST_SHUTDOWN
    li      a1, 0                    # no reason
    ecall
3:  wfi
    j       3b

    .section .rodata, "a"
message:
    .ascii  "\x10oHello from nowhere.\n"
    .ascii  "\x10x"
    .byte   0
message_end:
