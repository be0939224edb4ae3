/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may not be done before the MMU is on, each a known number of times (tests/cli/test_early.py): QEMU loads it
 * behind its own loader and enters it at EL1; PSCI switches the machine off. What counts as the MMU coming on is
 * the instruction at `on`, which does nothing of the kind.
 */
    .equ SYSTEM_OFF, 0x84000008      /* PSCI (DEN 0022) */

    .section .text.start, "ax"
    .globl _start, on
_start:
    adr     x0, room
    ldr     x1, [x0]                 /* four that are aligned */
    ldr     w1, [x0, #4]
    stp     x1, x1, [x0, #8]
    ldur    x1, [x0, #1]             /* three that are not */
    stur    w1, [x0, #2]
    ldrh    w1, [x0, #3]
    ldxr    x1, [x0]                 /* aligned, and forbidden, as the next one */
    stxr    w3, x1, [x0]
on: nop
    ldur    x1, [x0, #1]             /* allowed by now */
    ldxr    x1, [x0]
    ldr     w0, =SYSTEM_OFF
    hvc     #0
1:  wfi
    b       1b
    .ltorg
    .balign 64
room:
    .zero   64
