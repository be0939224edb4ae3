/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A switch that leaves the control words of floating point alone. No kernel of ours ships it: two fibers
 * would share one rounding mode. It shows what saving them costs.
 */
    .text
    .globl bench_plain_switch
bench_plain_switch:
    mov (%rsi), %rdx
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov (%rdx), %r15
    mov 8(%rdx), %r14
    mov 16(%rdx), %r13
    mov 24(%rdx), %r12
    mov 32(%rdx), %rbx
    mov 40(%rdx), %rbp
    lea 48(%rdx), %rsp
    ret

/* (context, stack top, entry, argument) */
    .globl bench_plain_make
bench_plain_make:
    lea begin(%rip), %rax
    mov %rax, -8(%rsi)
    movq $0, -16(%rsi)
    mov %rdx, -32(%rsi)
    mov %rcx, -40(%rsi)
    lea -56(%rsi), %rax
    mov %rax, (%rdi)
    ret
begin:
    mov %r13, %rdi
    call *%r12
    ud2

    .section .note.GNU-stack, "", @progbits
