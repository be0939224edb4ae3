/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What assembly and C++ must agree on. Assembly takes every offset from here;
 * core.h and frame.h assert each against its struct. Bit numbers cite the
 * privileged specification 1.12.
 */
#ifndef RUMPK_RISCV64_LAYOUT_H
#define RUMPK_RISCV64_LAYOUT_H

#define REGISTER_SIZE 8

/* struct Core, the part that assembly touches */
#define CORE_TRAP_SP 0
#define CORE_TRAP_T1 8
#define CORE_INTERRUPT_BASE 16
#define CORE_INTERRUPT_TOP 24
#define CORE_EMERGENCY_TOP 32
#define CORE_REPORTING 40
#define CORE_START_STACK 48

/* struct TrapFrame: x[n] at n * REGISTER_SIZE; x[0]'s place is free */
#define FRAME_STATUS 256
#define FRAME_NESTED 264
#define FRAME_PREVIOUS 272
#define FRAME_PC 280
#define FRAME_SIZE 288

/* TrapFrame.nested */
#define NESTED_NOT 0
#define NESTED_IN_HANDLER 1
#define NESTED_IN_REPORT 2

/* struct SwitchFrame: s0-s11, then */
#define SWITCH_RA 96
#define SWITCH_TP 104
#define SWITCH_FCSR 112
#define SWITCH_FS 120 /* fs0-fs11 */
#define SWITCH_SIZE 224

/* struct PreemptFrame: ft0-ft11, fa0-fa7, then */
#define PREEMPT_FA 96
#define PREEMPT_RA 160
#define PREEMPT_SCRATCH 168
#define PREEMPT_SIZE 176

/* struct MachineFacts */
#define FACTS_NO_MEMORY 0
#define FACTS_FINISHER 8

/* sstatus, 4.1.1 */
#define SSTATUS_SIE (1 << 1)
#define SSTATUS_SPIE (1 << 5)
#define SSTATUS_SPP (1 << 8)
#define SSTATUS_FS_INITIAL (1 << 13)
#define SSTATUS_FS (3 << 13)

/* What a test finisher takes for "ended, with this exit code" (hal/device/sifive_test.h) */
#define FINISHER_FAIL 0x3333
#define FINISHER_CODE_SHIFT 16
#define EXIT_PANIC 126 /* RUMPK_EXIT_PANIC */

/* SBI calls that assembly makes (SBI specification 1.0, chapters 5 and 10) */
#define SBI_CONSOLE_PUTCHAR 1
#define SBI_SYSTEM_RESET 0x53525354
#define SBI_REASON_SYSTEM_FAILURE 1

#endif
