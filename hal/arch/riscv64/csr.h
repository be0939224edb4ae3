// SPDX-License-Identifier: Apache-2.0
//
// Control and status registers of the kernel's mode (privileged specification 1.12, chapters 3 and
// 4), by the names of mode.h. The numbers are in the assembler.
#pragma once

#include <cstdint>

#include "hal/arch/riscv64/layout.h"

namespace rumpk::hal {

constexpr uint64_t status_ie = XSTATUS_IE;

// xie and xip, by the cause that each bit stands for
constexpr uint64_t cause_software = XCAUSE_SOFTWARE;
constexpr uint64_t cause_timer = XCAUSE_TIMER;
constexpr uint64_t cause_external = XCAUSE_EXTERNAL;
constexpr uint64_t interrupt_bit(uint64_t cause) {
    return uint64_t{1} << cause;
}

// The register's name for inline assembly: RUMPK_CSR_NAME(XSTATUS).
#define RUMPK_CSR_NAME(csr) RUMPK_CSR_NAME_AS_IS(csr)
#define RUMPK_CSR_NAME_AS_IS(text) #text

// All are compiler barriers: what stands before and after stays there.
#define RUMPK_CSR_FUNCTIONS(name, csr)                                                                       \
    inline uint64_t read_##name() {                                                                          \
        uint64_t value;                                                                                      \
        asm volatile("csrr %0, " RUMPK_CSR_NAME(csr) : "=r"(value)::"memory");                               \
        return value;                                                                                        \
    }                                                                                                        \
    inline void write_##name(uint64_t value) {                                                               \
        asm volatile("csrw " RUMPK_CSR_NAME(csr) ", %0" ::"rK"(value) : "memory");                           \
    }                                                                                                        \
    inline void set_##name(uint64_t bits) {                                                                  \
        asm volatile("csrs " RUMPK_CSR_NAME(csr) ", %0" ::"rK"(bits) : "memory");                            \
    }                                                                                                        \
    inline void clear_##name(uint64_t bits) {                                                                \
        asm volatile("csrc " RUMPK_CSR_NAME(csr) ", %0" ::"rK"(bits) : "memory");                            \
    }

RUMPK_CSR_FUNCTIONS(status, XSTATUS)
RUMPK_CSR_FUNCTIONS(ie, XIE)
RUMPK_CSR_FUNCTIONS(ip, XIP)
RUMPK_CSR_FUNCTIONS(tvec, XTVEC)
RUMPK_CSR_FUNCTIONS(scratch, XSCRATCH)
RUMPK_CSR_FUNCTIONS(cause, XCAUSE)
RUMPK_CSR_FUNCTIONS(tval, XTVAL)
RUMPK_CSR_FUNCTIONS(satp, satp)
RUMPK_CSR_FUNCTIONS(stimecmp, stimecmp)

#undef RUMPK_CSR_FUNCTIONS

// Ticks of the timebase since reset. May be reordered with other code: it orders nothing.
inline uint64_t read_time() {
    uint64_t ticks;
    asm volatile("rdtime %0" : "=r"(ticks));
    return ticks;
}

} // namespace rumpk::hal
