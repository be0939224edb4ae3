/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What assembly and C++ must agree on. Assembly takes every offset from here;
 * frame.h asserts each against its struct. Bit numbers cite the
 * privileged specification 1.12.
 */
#ifndef RUMPK_RISCV64_LAYOUT_H
#define RUMPK_RISCV64_LAYOUT_H

#include "hal/arch/riscv64/mode.h"
#include "hal/board/layout.h"

/* struct Core's scratch words */
#define CORE_TRAP_SP CORE_SCRATCH
#define CORE_TRAP_T1 (CORE_SCRATCH + REGISTER_SIZE)

/* struct TrapFrame: x[n] at n * REGISTER_SIZE; x[0]'s place is for the kernel */
#define FRAME_CALL_STACK 0
#define FRAME_STATUS 256
#define FRAME_WHERE 264
#define FRAME_PREVIOUS 272
#define FRAME_PC 280
#define FRAME_SIZE 288

/* struct SwitchFrame: s0-s11, then */
#define SWITCH_ENTRY 8 /* s1 and s2, of one that has not begun */
#define SWITCH_ARGUMENT 16
#define SWITCH_RA 96
#define SWITCH_TP 104
#define SWITCH_FCSR 112
#define SWITCH_FS 120 /* fs0-fs11 */
#define SWITCH_HOW 216
#define SWITCH_SIZE 224

/* How a context goes on: the commonest is found by one test, the next by another. */
#define SWITCH_UNMASKS 0     /* with interrupts on, and 0 as the result */
#define SWITCH_MASKED (-1)   /* as it was */
#define SWITCH_NEW 1         /* it has not begun, and all that it has is an entry and an argument */
#define SWITCH_WITH_FLOAT 16 /* added to the first two: it has written an FP register */

/* struct PreemptFrame: ft0-ft11, fa0-fa7, then */
#define PREEMPT_FA 96
#define PREEMPT_RA 160
#define PREEMPT_SCRATCH 168
#define PREEMPT_STATUS 176
#define PREEMPT_SIZE 192

/* struct CallFrame */
#define CALL_SP 0
#define CALL_GP 8
#define CALL_RA 16
#define CALL_PREVIOUS 32
#define CALL_PC 40
#define CALL_SIZE 48

/* The gate's page: a stub for each call, and then */
#define GATE_STUB_SIZE 8
#define GATE_END_OF_FIBER (CALLS * GATE_STUB_SIZE)

/* xcause, 3.1.15, 4.1.8 */
#define CAUSE_CALL_OF_USER 8

/* satp, 4.1.11: bits of its fields; the ASID is in the middle */
#define SATP_MODE_SIZE 4
#define SATP_PPN_SIZE 44

/* xcounteren, 3.1.11, 4.1.5: rdtime at the next lower privilege */
#define XCOUNTEREN_TM 2

/* xstatus, 3.1.6, 4.1.1: what both modes have alike */
#define XSTATUS_FS_INITIAL (1 << 13)
#define XSTATUS_FS (3 << 13)

/* What a test finisher takes for "ended, with this exit code" (hal/device/sifive_test.h) */
#define FINISHER_FAIL 0x3333
#define FINISHER_CODE_SHIFT 16

/* SBI calls that assembly makes (SBI specification 1.0, chapters 5 and 10) */
#define SBI_CONSOLE_PUTCHAR 1
#define SBI_SYSTEM_RESET 0x53525354
#define SBI_REASON_SYSTEM_FAILURE 1

#endif
