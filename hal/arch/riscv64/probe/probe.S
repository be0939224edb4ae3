/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The register probes of the contract test (tests/contract/probe.h) on RISC-V.
 *
 * A frame: the caller's s0-s11, tp, ra, fs0-fs11 and fcsr; then the expected values
 * of x1-x31, of f0-f31 and of fcsr; then the count of those that have changed.
 */
    .option arch, +d

    .set WORD, 8
    .set SAVED_FS, 14 * WORD
    .set SAVED_FCSR, SAVED_FS + 12 * WORD
    .set X, SAVED_FCSR /* of xn at X + n words; x0 has none, and its place is fcsr's */
    .set F, X + 32 * WORD
    .set FCSR, F + 32 * WORD
    .set COUNT, FCSR + WORD
    .set FRAME, COUNT + WORD

    .if FRAME % 16
    .error "the stack is 16-byte aligned"
    .endif

/* x1 and x4-x30: not sp; not gp, which nothing of ours uses; not x31, the loop's own. */
.macro each_integer do
    .irp n, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    \do     \n
    .endr
.endm
.macro each_float do
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    \do     \n
    .endr
.endm
/* What a function must preserve: s0-s11 are x8, x9, x18-x27; fs0-fs11 the same of f. tp is a thread's. */
.macro each_kept do
    .irp n, 8, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
    \do     \n
    .endr
.endm

.macro caller integer, float
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    \integer s\n, \n * WORD(sp)
    \float  fs\n, SAVED_FS + \n * WORD(sp)
    .endr
    \integer tp, 12 * WORD(sp)
    \integer ra, 13 * WORD(sp)
.endm

/* t0 goes from one pseudo-random value to the next. */
.macro mix
    slli    t1, t0, 13
    xor     t0, t0, t1
    srli    t1, t0, 7
    xor     t0, t0, t1
    slli    t1, t0, 17
    xor     t0, t0, t1
.endm
.macro expect_integer n
    mix
    sd      t0, X + \n * WORD(sp)
.endm
.macro expect_float n
    mix
    sd      t0, F + \n * WORD(sp)
    fmv.d.x f\n, t0
.endm
.macro load_integer n
    ld      x\n, X + \n * WORD(sp)
.endm
.macro count_change
    ld      t6, COUNT(sp)
    addi    t6, t6, 1
    sd      t6, COUNT(sp)
.endm
.macro check_integer n
    ld      t6, X + \n * WORD(sp)
    beq     x\n, t6, 9f
    count_change
9:
.endm
.macro check_float n
    ld      t6, F + \n * WORD(sp)
    fmv.x.d t5, f\n
    beq     t5, t6, 9f
    count_change
9:
.endm

/* The frame, filled from the seed in \seed; FP registers and fcsr loaded. fcsr (unprivileged
 * specification, 11.2): a rounding mode of 0-3 and some flags. */
.macro begin seed
    addi    sp, sp, -FRAME
    caller  sd, fsd
    frcsr   t0
    sd      t0, SAVED_FCSR(sp)
    sd      zero, COUNT(sp)
    ori     t0, \seed, 1 /* the sequence must not begin at 0 */
    each_integer expect_integer
    each_float expect_float
    andi    t0, \seed, 3
    slli    t0, t0, 5
    ori     t0, t0, 0x15
    sd      t0, FCSR(sp)
    fscsr   t0
.endm
.macro end
    ld      t0, SAVED_FCSR(sp)
    fscsr   t0
    ld      a0, COUNT(sp)
    caller  ld, fld
    addi    sp, sp, FRAME
    ret
.endm

    .text
    .globl  rumpk_probe_spin
rumpk_probe_spin:
    begin   a0
    each_integer load_integer
1:  lla     t6, rumpk_probe_stop
    lwu     t6, 0(t6)
    beqz    t6, 1b
    each_integer check_integer
    each_float check_float
    frcsr   t5
    ld      t6, FCSR(sp)
    beq     t5, t6, 2f
    count_change
2:  end

    .globl  rumpk_probe_call
rumpk_probe_call:
    begin   a2
    each_kept load_integer
    load_integer 4
    mv      t0, a0
    mv      a0, a1
    jalr    t0
    each_kept check_integer
    each_kept check_float
    check_integer 4
    frcsr   t5
    ld      t6, FCSR(sp)
    xor     t5, t5, t6
    andi    t5, t5, 0xe0 /* the rounding mode; a call may raise flags */
    beqz    t5, 2f
    count_change
2:  end

/* The calling convention promises nothing about control state but what rumpk_probe_call looks at. */
    .globl  rumpk_probe_entry
rumpk_probe_entry:
    li      a0, 0
    ret

    .bss
    .globl  rumpk_probe_stop
    .balign 4
rumpk_probe_stop:
    .skip   4

    .section .rodata
    .globl  rumpk_probe_code, rumpk_probe_code_size
    .balign 8
rumpk_probe_code: /* li a0, 42; ret */
    .word   0x02a00513, 0x00008067
rumpk_probe_code_size:
    .dword  8
