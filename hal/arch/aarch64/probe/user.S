/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program for user privilege: position-independent and without a stack, it does what
 * the struct at its argument says. tests/contract/probe.h has the fields.
 */
    .arch   armv8-a

    .set CALL, 0
    .set ARGUMENTS, 8
    .set RESULT, 56
    .set AT_ENTRY, 64
    .set LEFT, 72
    .set CHANGED, 80
    .set THEN, 88
    .set PLACE, 96
    .set RETURN, 104

/* What a call preserves: x20-x29; x19 is the struct. */
.macro each_kept do
    .irp n, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
    \do     \n
    .endr
.endm
.macro fill n
    mov     x\n, #0x700 + \n
.endm
.macro check n
    cmp     x\n, #0x700 + \n
    b.eq    9f
    add     x10, x10, #1
9:
.endm
.macro gather_vector n
    fmov    x10, d\n
    orr     x9, x9, x10
    mov     x10, v\n\().d[1]
    orr     x9, x9, x10
.endm

    .text
    .globl  rumpk_probe_kept_out /* ID_AA64MMFR1_EL1.PAN */
rumpk_probe_kept_out:
    mrs     x0, id_aa64mmfr1_el1
    ubfx    x0, x0, #20, #4
    ret

    .section .rodata
    .balign 8
    .globl  rumpk_probe_user, rumpk_probe_user_size
rumpk_probe_user:
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29
    orr     x9, x9, x\n
    .endr
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    gather_vector \n
    .endr
    str     x9, [x0, #AT_ENTRY]
    mov     x19, x0
    str     x30, [x19, #RETURN]
    ldr     x9, [x19, #CALL]
    cbz     x9, 1f
    each_kept fill
    .irp n, 0, 1, 2, 3, 4, 5
    ldr     x\n, [x19, #ARGUMENTS + 8 * \n]
    .endr
    blr     x9
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18
    orr     x9, x9, x\n
    .endr
    str     x9, [x19, #LEFT]
    str     x0, [x19, #RESULT]
    mov     x10, #0
    each_kept check
    str     x10, [x19, #CHANGED]
1:  ldr     x9, [x19, #THEN]
    cbz     x9, 5f
    cmp     x9, #1
    b.eq    3f
    cmp     x9, #2
    b.ne    4f
2:  ldr     x9, [x19, #PLACE]
    cbz     x9, 2b
    b       5f
3:  ldr     x9, [x19, #PLACE]
    ldr     x9, [x9]
    b       5f
4:  ldr     x8, [x19, #PLACE]
    svc     #0
    str     x0, [x19, #RESULT]
5:  ldr     x30, [x19, #RETURN]
    ret
probe_end:
    .balign 8
rumpk_probe_user_size:
    .xword  probe_end - rumpk_probe_user
