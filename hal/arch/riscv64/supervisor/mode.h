/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Supervisor mode, under a firmware: its registers under the names that assembly and csr.h
 * use, x for the mode's letter as in the privileged specification 1.12 (chapter 4).
 */
#ifndef RUMPK_RISCV64_SUPERVISOR_MODE_H
#define RUMPK_RISCV64_SUPERVISOR_MODE_H

#define XSTATUS sstatus
#define XTVEC stvec
#define XSCRATCH sscratch
#define XEPC sepc
#define XCAUSE scause
#define XTVAL stval
#define XIE sie
#define XIP sip
#define XCOUNTEREN scounteren
#define XRET sret

/* sstatus, 4.1.1. PP is not 0 where a trap came from the kernel; the shift makes that the sign. */
#define XSTATUS_IE (1 << 1)
#define XSTATUS_PIE (1 << 5)
#define XSTATUS_PP (1 << 8)
#define XSTATUS_PP_TO_SIGN 55

/* scause, sie and sip: 4.1.3, 4.1.8 */
#define XCAUSE_SOFTWARE 1
#define XCAUSE_TIMER 5
#define XCAUSE_EXTERNAL 9

#endif
