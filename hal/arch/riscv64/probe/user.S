/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program for user privilege: position-independent and without a stack, it does what
 * the struct at its argument says. tests/contract/probe.h has the fields.
 */
    .set CALL, 0
    .set ARGUMENTS, 8
    .set RESULT, 56
    .set AT_ENTRY, 64
    .set LEFT, 72
    .set CHANGED, 80
    .set THEN, 88
    .set PLACE, 96
    .set RETURN, 104

/* What a call preserves: s1-s11, and gp and tp besides; s0 is the struct. */
.macro each_kept do
    .irp n, 3, 4, 9, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27
    \do     \n
    .endr
.endm
.macro fill n
    li      x\n, 0x700 + \n
.endm
.macro check n
    li      t0, 0x700 + \n
    beq     x\n, t0, 9f
    addi    t1, t1, 1
9:
.endm

    .text
    .globl  rumpk_probe_kept_out /* sstatus.SUM is clear */
rumpk_probe_kept_out:
    li      a0, 1
    ret

    .section .rodata
    .balign 8
    .globl  rumpk_probe_user, rumpk_probe_user_size
rumpk_probe_user:
    .irp n, 3, 4, 6, 7, 8, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    or      t0, t0, x\n
    .endr
    .option push
    .option arch, +d
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    fmv.x.d t1, f\n
    or      t0, t0, t1
    fmv.d.x f\n, a0 /* the next program must not find it */
    .endr
    frcsr   t1
    or      t0, t0, t1
    .option pop
    sd      t0, AT_ENTRY(a0)
    mv      s0, a0
    sd      ra, RETURN(s0)
    ld      t0, CALL(s0)
    beqz    t0, 1f
    each_kept fill
    .irp n, 0, 1, 2, 3, 4, 5
    ld      a\n, ARGUMENTS + 8 * \n(s0)
    .endr
    jalr    t0
    .irp n, 6, 7, 11, 12, 13, 14, 15, 16, 17, 28, 29, 30, 31
    or      t0, t0, x\n
    .endr
    sd      t0, LEFT(s0)
    sd      a0, RESULT(s0)
    li      t1, 0
    each_kept check
    sd      t1, CHANGED(s0)
1:  ld      t0, THEN(s0)
    beqz    t0, 5f
    addi    t0, t0, -1
    beqz    t0, 3f
    addi    t0, t0, -1
    bnez    t0, 4f
2:  ld      t0, PLACE(s0)
    beqz    t0, 2b
    j       5f
3:  ld      t0, PLACE(s0)
    ld      t0, 0(t0)
    j       5f
4:  ld      a7, PLACE(s0)
    ecall
    sd      a0, RESULT(s0)
5:  ld      ra, RETURN(s0)
    ret
probe_end:
    .balign 8
rumpk_probe_user_size:
    .dword  probe_end - rumpk_probe_user
