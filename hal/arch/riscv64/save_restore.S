/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What functions built with -msave-restore call instead of a prologue and an
 * epilogue of their own: a tenth of the kernel's code is saved by it. Names and
 * layout are the compiler's (RISC-V ELF psABI and toolchain conventions): a
 * function enters __riscv_save_N with its return address in ra and this routine's in
 * t0, and leaves by jumping to __riscv_restore_N. ra lies 8 bytes below the old
 * sp, s0 16, s1 24 and so on, where a backtrace looks for the first two.
 *
 * A frame is a multiple of 16 bytes, so two N share each routine and the odd
 * register that fits is saved and restored as well.
 */

/* Runs `instruction register, offset(sp)` for ra and the first `registers` saved ones. */
    .macro each instruction, frame, registers
    \instruction ra, \frame - 8(sp)
    .set .Lnext, 1
    .irp register, s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11
    .if .Lnext <= \registers
    \instruction \register, \frame - 8 - 8 * .Lnext(sp)
    .endif
    .set .Lnext, .Lnext + 1
    .endr
    .endm

    .macro routine name
    .globl \name
    .hidden \name
    .type \name, @function
\name:
    .endm

/* Both N for a frame of 8 * (registers + 1) bytes, rounded up to 16. */
    .macro pair lower, upper, frame, registers
    .section .text.__riscv_save_\lower, "ax", @progbits
    routine __riscv_save_\lower
    routine __riscv_save_\upper
    addi sp, sp, -\frame
    each sd, \frame, \registers
    jr t0
    .section .text.__riscv_restore_\lower, "ax", @progbits
    routine __riscv_restore_\lower
    routine __riscv_restore_\upper
    each ld, \frame, \registers
    addi sp, sp, \frame
    ret
    .endm

    pair 0, 1, 16, 1
    pair 2, 3, 32, 3
    pair 4, 5, 48, 5
    pair 6, 7, 64, 7
    pair 8, 9, 80, 9
    pair 10, 11, 96, 11
    pair 12, 12_alone, 112, 12
