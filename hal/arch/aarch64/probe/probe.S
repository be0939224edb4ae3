/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The register probes of the contract test (tests/contract/probe.h) on Armv8-A.
 *
 * A frame: the caller's x19-x30, d8-d15, FPCR, FPSR and TPIDR_EL0; then the expected
 * values of x0-x30, of v0-v31 (both halves), of FPCR and FPSR; then the count of those
 * that have changed.
 */
    .arch   armv8-a

    .set WORD, 8
    .set SAVED_D, 12 * WORD
    .set SAVED_FPCR, SAVED_D + 8 * WORD
    .set SAVED_FPSR, SAVED_FPCR + WORD
    .set SAVED_TPIDR, SAVED_FPSR + WORD
    .set X, SAVED_TPIDR + 2 * WORD
    .set V, X + 32 * WORD
    .set FPCR, V + 32 * 16
    .set FPSR, FPCR + WORD
    .set COUNT, FPSR + WORD
    .set FRAME, COUNT + 2 * WORD

    .if FRAME % 16 || V % 16
    .error "the stack is 16-byte aligned"
    .endif

/* x0-x28 and x30: not x29, the loop's own. */
.macro each_integer do
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 30
    \do     \n
    .endr
.endm
.macro each_vector do
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    \do     \n
    .endr
.endm
/* What a function must preserve: x19-x28; of v8-v15 the low halves. */
.macro each_kept do
    .irp n, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28
    \do     \n
    .endr
.endm
.macro each_kept_vector do
    .irp n, 8, 9, 10, 11, 12, 13, 14, 15
    \do     \n
    .endr
.endm

.macro caller pair
    \pair   x19, x20, [sp, #0 * WORD]
    \pair   x21, x22, [sp, #2 * WORD]
    \pair   x23, x24, [sp, #4 * WORD]
    \pair   x25, x26, [sp, #6 * WORD]
    \pair   x27, x28, [sp, #8 * WORD]
    \pair   x29, x30, [sp, #10 * WORD]
    \pair   d8, d9, [sp, #SAVED_D]
    \pair   d10, d11, [sp, #SAVED_D + 2 * WORD]
    \pair   d12, d13, [sp, #SAVED_D + 4 * WORD]
    \pair   d14, d15, [sp, #SAVED_D + 6 * WORD]
.endm

/* x16 goes from one pseudo-random value to the next. */
.macro mix
    eor     x16, x16, x16, lsl #13
    eor     x16, x16, x16, lsr #7
    eor     x16, x16, x16, lsl #17
.endm
.macro expect_integer n
    mix
    str     x16, [sp, #X + \n * WORD]
.endm
.macro expect_vector n
    mix
    str     x16, [sp, #V + \n * 16]
    mix
    str     x16, [sp, #V + \n * 16 + WORD]
    ldr     q\n, [sp, #V + \n * 16]
.endm
.macro load_integer n
    ldr     x\n, [sp, #X + \n * WORD]
.endm
.macro count_change
    ldr     x29, [sp, #COUNT]
    add     x29, x29, #1
    str     x29, [sp, #COUNT]
.endm
.macro check_integer n
    ldr     x29, [sp, #X + \n * WORD]
    cmp     x\n, x29
    b.eq    9f
    count_change
9:
.endm
.macro check_word offset
    ldr     x29, [sp, #\offset]
    cmp     x16, x29
    b.eq    9f
    count_change
9:
.endm
.macro check_low n
    fmov    x16, d\n
    check_word (V + \n * 16)
.endm
.macro check_vector n
    check_low \n
    mov     x16, v\n\().d[1]
    check_word (V + \n * 16 + WORD)
.endm

/* The frame, filled from the seed in \seed; vector registers, FPCR and FPSR loaded (DDI 0487, C5.2.8 and
 * C5.2.9: a rounding mode and some of the cumulative flags). */
.macro begin seed
    sub     sp, sp, #FRAME
    caller  stp
    mrs     x17, fpcr
    str     x17, [sp, #SAVED_FPCR]
    mrs     x17, fpsr
    str     x17, [sp, #SAVED_FPSR]
    mrs     x17, tpidr_el0
    str     x17, [sp, #SAVED_TPIDR]
    str     xzr, [sp, #COUNT]
    and     x17, \seed, #3
    lsl     x17, x17, #22
    orr     x16, \seed, #1 /* the sequence must not begin at 0 */
    msr     tpidr_el0, x16
    each_integer expect_integer
    each_vector expect_vector
    str     x17, [sp, #FPCR]
    msr     fpcr, x17
    mov     x17, #0x15
    str     x17, [sp, #FPSR]
    msr     fpsr, x17
.endm
.macro end
    ldr     x17, [sp, #SAVED_FPCR]
    msr     fpcr, x17
    ldr     x17, [sp, #SAVED_FPSR]
    msr     fpsr, x17
    ldr     x17, [sp, #SAVED_TPIDR]
    msr     tpidr_el0, x17
    ldr     x0, [sp, #COUNT]
    caller  ldp
    add     sp, sp, #FRAME
    ret
.endm

    .text
    .globl  rumpk_probe_spin
rumpk_probe_spin:
    begin   x0
    each_integer load_integer
1:  adrp    x29, rumpk_probe_stop
    ldr     w29, [x29, :lo12:rumpk_probe_stop]
    cbz     w29, 1b
    each_integer check_integer
    each_vector check_vector
    mrs     x16, fpcr
    check_word FPCR
    mrs     x16, fpsr
    check_word FPSR
    end

    .globl  rumpk_probe_call
rumpk_probe_call:
    begin   x2
    each_kept load_integer
    mrs     x17, tpidr_el0
    str     x17, [sp, #X] /* x0's place is free */
    mov     x16, x0
    mov     x0, x1
    blr     x16
    each_kept check_integer
    each_kept_vector check_low
    mrs     x16, fpcr
    check_word FPCR
    mrs     x16, tpidr_el0
    check_word X
    end

/* The calling convention promises nothing about control state but what rumpk_probe_call looks at. */
    .globl  rumpk_probe_entry
rumpk_probe_entry:
    mov     x0, #0
    ret

    .bss
    .globl  rumpk_probe_stop
    .balign 4
rumpk_probe_stop:
    .skip   4

    .section .rodata
    .globl  rumpk_probe_code, rumpk_probe_code_size
    .balign 8
rumpk_probe_code: /* mov w0, #42; ret */
    .word   0x52800540, 0xd65f03c0
rumpk_probe_code_size:
    .xword  8
