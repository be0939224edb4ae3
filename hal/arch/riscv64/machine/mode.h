/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machine mode, with nothing below: its registers under the names that assembly and csr.h
 * use, x for the mode's letter as in the privileged specification 1.12 (chapter 3).
 */
#ifndef RUMPK_RISCV64_MACHINE_MODE_H
#define RUMPK_RISCV64_MACHINE_MODE_H

#define XSTATUS mstatus
#define XTVEC mtvec
#define XSCRATCH mscratch
#define XEPC mepc
#define XCAUSE mcause
#define XTVAL mtval
#define XIE mie
#define XIP mip
#define XCOUNTEREN mcounteren
#define XRET mret

/* mstatus, 3.1.6. PP is not 0 where a trap came from the kernel; the shift makes that the sign. */
#define XSTATUS_IE (1 << 3)
#define XSTATUS_PIE (1 << 7)
#define XSTATUS_PP (3 << 11)
#define XSTATUS_PP_TO_SIGN 51
#define MSTATUS_TW (1 << 21)

/* mcause, mie and mip: 3.1.9, 3.1.15 */
#define XCAUSE_SOFTWARE 3
#define XCAUSE_TIMER 7
#define XCAUSE_EXTERNAL 11

/* misa, 3.1.1: the hart has supervisor mode */
#define MISA_S 18

/* struct Core, for harts that wait to be started; asserted in machine/platform.cpp */
#define CORE_ID 64
#define CORE_SIZE 128
#define CORES 8

/* struct MachineModeFacts, machine/facts.h */
#define FACTS_CLINT 0
#define FACTS_SERIAL 8

/* struct Entries, machine/protection.h */
#define ENTRIES 16
#define ENTRIES_CONFIG 128

/* pmpaddr of a region of one page, 3.7.1: the address in words, and the ones of NAPOT */
#define PMP_SHIFT 2
#define PMP_PAGE_ONES 0x1ff

#endif
