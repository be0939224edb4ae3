/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two harts that wake each other through the firmware and do nothing else: each is parked (WFI), takes the
 * other's interrupt, notes how long it was under way and sends the next. `ring.park_wake.instructions` stands
 * beside it. At the end each time is sent as sixteen hexadecimal digits and a newline, and the machine is
 * powered off.
 *
 * Entered by OpenSBI in S-mode at 0x80200000, MMU off (SBI specification 1.0, chapter 3).
 */
    .equ UART, 0x10000000            # ns16550a of QEMU's virt machine: offset 0 THR, 5 LSR
    .equ UART_LSR, 5
    .equ UART_LSR_THRE, 0x20         # the transmit holding register is empty
    .equ SBI_HSM, 0x48534D           # SBI 1.0, chapter 9: hart state management, function 0: start
    .equ SBI_IPI, 0x735049           # chapter 7, function 0: send
    .equ SBI_SRST, 0x53525354        # chapter 10
    .equ SSTATUS_SIE, 2              # privileged specification 1.12, 4.1.1
    .equ SSI, 2                      # software interrupt, in sie and sip: 4.1.3
    .equ ROUNDS, 1000

    .section .text.start, "ax"
    .globl _start
_start:                              # a0: this hart
    mv      s0, a0
    xori    s1, a0, 1                # the other one
    li      s2, 1                    # prints at the end
    lla     t0, handler
    csrw    stvec, t0
    csrwi   sie, SSI
    li      a7, SBI_HSM
    li      a6, 0
    mv      a0, s1
    lla     a1, second
    li      a2, 0
    ecall
    j       park

second:                              # a0: this hart
    mv      s0, a0
    xori    s1, a0, 1
    li      s2, 0
    lla     t0, handler
    csrw    stvec, t0
    csrwi   sie, SSI
    lla     s3, sent
    li      s4, ROUNDS
    jal     send                     # the first one is parked: it has nothing else to do
park:
    lla     s3, sent
    lla     s5, samples
    csrsi   sstatus, SSTATUS_SIE
1:  wfi
    j       1b

    .balign 4
handler:
    rdcycle t0
    csrci   sip, SSI
    ld      t1, 0(s3)
    sub     t0, t0, t1
    ld      t1, 8(s3)                # how many there are
    slli    t2, t1, 3
    add     t2, t2, s5
    sd      t0, 0(t2)
    addi    t1, t1, 1
    sd      t1, 8(s3)
    li      t2, ROUNDS
    bltu    t1, t2, 1f
    bnez    s2, finish
1:  jal     send
    sret

send:
    li      a7, SBI_IPI
    li      a6, 0
    li      a0, 1
    mv      a1, s1
    rdcycle t0
    sd      t0, 0(s3)
    fence   rw, rw
    ecall
    ret

finish:
    li      s6, ROUNDS
    li      a3, UART
1:  ld      t0, 0(s5)
    addi    s5, s5, 8
    li      t1, 16
2:  srli    a0, t0, 60
    slli    t0, t0, 4
    sltiu   t2, a0, 10
    addi    a0, a0, 'a' - 10
    beqz    t2, 3f
    addi    a0, a0, '0' - ('a' - 10)
3:  jal     put
    addi    t1, t1, -1
    bnez    t1, 2b
    li      a0, '\n'
    jal     put
    addi    s6, s6, -1
    bnez    s6, 1b
    li      a7, SBI_SRST
    li      a6, 0
    li      a0, 0                    # shutdown
    li      a1, 0                    # no reason
    ecall
4:  wfi
    j       4b

put:
    lbu     a5, UART_LSR(a3)
    andi    a5, a5, UART_LSR_THRE
    beqz    a5, put
    sb      a0, (a3)
    ret

    .section .text.samples, "awx"
    .balign 8
sent:
    .dword  0                        # when the interrupt that is under way was sent
    .dword  0                        # samples so far
samples:
    .zero   8 * (ROUNDS + 1)
