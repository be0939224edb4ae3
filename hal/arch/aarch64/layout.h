/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What assembly and C++ must agree on. Assembly takes every offset from here;
 * frame.h asserts each against its struct. Bit numbers cite the Arm
 * Architecture Reference Manual for A-profile (DDI 0487), by register.
 */
#ifndef RUMPK_AARCH64_LAYOUT_H
#define RUMPK_AARCH64_LAYOUT_H

#include "hal/board/layout.h"

/* struct TrapFrame: x[n] at n * REGISTER_SIZE, x0-x30 */
#define FRAME_SP 248
#define FRAME_STATUS 256
#define FRAME_WHERE 264
#define FRAME_CALL_STACK FRAME_WHERE /* of an interrupt */
#define FRAME_PREVIOUS 272
#define FRAME_PC 280
#define FRAME_SIZE 288

/* struct SwitchFrame: x19-x30, then */
#define SWITCH_D 96 /* d8-d15 */
#define SWITCH_FPCR 160
#define SWITCH_FPSR 168
#define SWITCH_TPIDR 176
#define SWITCH_ENTRY 184  /* behind it: the two are one pair */
#define SWITCH_ARGUMENT 0 /* x19, of one that has not begun */
#define SWITCH_SIZE 192

/* struct PreemptFrame: q0-q31, then */
#define PREEMPT_LR 512
#define PREEMPT_SIZE 528

/* struct CallFrame */
#define CALL_SP 0
#define CALL_LR 8
#define CALL_PREVIOUS 16
#define CALL_PC 24
#define CALL_SIZE 32

/* The gate's page: a stub for each call, and then */
#define GATE_STUB_SIZE 12
#define GATE_END_OF_FIBER (CALLS * GATE_STUB_SIZE)

/* ESR_EL1.EC, and the one of SVC from AArch64 */
#define ESR_CLASS_SHIFT 26
#define CLASS_CALL_OF_USER 0x15

/* CNTKCTL_EL1: EL0 reads the virtual counter, and nothing else of the timers */
#define CNTKCTL_EL0VCTEN (1 << 1)

/* SPSR_EL1: EL0, IRQs let through; D, A and F masked as at EL1 */
#define SPSR_EL0_UNMASKED 0x340
/* SPSR_EL1 and SPSR_EL2: EL1 with SP_EL0, all of D, A, I, F masked */
#define SPSR_EL1T_MASKED 0x3c4
/* DAIFSet, DAIFClr: IRQ alone; all four */
#define DAIF_IRQ 2
#define DAIF_ALL 15
/* struct Mmu, translation.cpp */
#define MMU_TTBR0 16
/* TTBR0_EL1: the ASID, down to the end */
#define TTBR_ASID_SHIFT 48
/* SPSR_EL1: EL and SP; 0 is EL0 */
#define SPSR_MODE 15
/* MPIDR_EL1: Aff3, Aff2, Aff1, Aff0 */
#define MPIDR_AFFINITY 0xff00ffffff
/* CurrentEL */
#define CURRENT_EL2 8
/* HCR_EL2.RW: EL1 is AArch64 */
#define HCR_RW (1 << 31)
/* CNTHCTL_EL2: EL1 reaches the physical counter and timer */
#define CNTHCTL_EL1PCTEN (1 << 0)
#define CNTHCTL_EL1PCEN (1 << 1)
/* ICC_SRE_EL2: system registers, and EL1 may use its own */
#define ICC_SRE_SRE (1 << 0)
#define ICC_SRE_ENABLE (1 << 3)
/* CPTR_EL2 without traps: its RES1 bits */
#define CPTR_EL2_RES1 0x33ff
/* CPACR_EL1.FPEN: no trap of FP and SIMD */
#define CPACR_FPEN (3 << 20)
/* SCTLR_EL1 with MMU and caches off: its RES1 bits in ARMv8.0 (LSMAOE, nTLSMD, SPAN, EIS, TSCXT, EOS) */
#define SCTLR_EL1_RES1 0x30d00800

/* SCTLR_EL1.SPAN: clear, an exception sets PAN; it is where the processor has no PAN */
#define SCTLR_SPAN_BIT 23
/* msr pan, #1 (C6.2.204), which armv8-a's assembler does not know */
#define MSR_PAN_1 0xd500419f

/* PSCI 1.1, 5.9 */
#define PSCI_SYSTEM_OFF 0x84000008

#endif
