/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing the entries of physical memory protection (privileged specification 1.12, 3.7).
 */
#include "hal/arch/riscv64/layout.h"
#include "hal/arch/riscv64/machine/reach.inc"

    .text

/* void hal_pmp_load(const Entries*): this hart's. */
    .globl  hal_pmp_load
hal_pmp_load:
    load_entries a0, t0
    ret

/* uint64_t hal_pmp_probe(void): 1 if this hart has all entries. 3.7.1: those that it lacks read as 0. */
    .globl  hal_pmp_probe
hal_pmp_probe:
    li      t0, -1
    csrw    pmpaddr15, t0
    csrrw   t0, pmpaddr15, zero
    snez    a0, t0
    ret
