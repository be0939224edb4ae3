// SPDX-License-Identifier: Apache-2.0
//
// Control and status registers of supervisor mode (privileged specification 1.12,
// chapter 4; stimecmp: Sstc 1.0). The numbers are in the assembler.
#pragma once

#include <cstdint>

#include "hal/arch/riscv64/layout.h"

namespace rumpk::hal {

// sstatus 4.1.1
constexpr uint64_t sstatus_sie = SSTATUS_SIE;

// sie and sip 4.1.3, by the cause that each bit stands for
constexpr uint64_t cause_software = 1;
constexpr uint64_t cause_timer = 5;
constexpr uint64_t cause_external = 9;
constexpr uint64_t interrupt_bit(uint64_t cause) {
    return uint64_t{1} << cause;
}

// All are compiler barriers: what stands before and after stays there.
#define RUMPK_CSR_FUNCTIONS(csr)                                                                             \
    inline uint64_t read_##csr() {                                                                           \
        uint64_t value;                                                                                      \
        asm volatile("csrr %0, " #csr : "=r"(value)::"memory");                                              \
        return value;                                                                                        \
    }                                                                                                        \
    inline void write_##csr(uint64_t value) {                                                                \
        asm volatile("csrw " #csr ", %0" ::"rK"(value) : "memory");                                          \
    }                                                                                                        \
    inline void set_##csr(uint64_t bits) {                                                                   \
        asm volatile("csrs " #csr ", %0" ::"rK"(bits) : "memory");                                           \
    }                                                                                                        \
    inline void clear_##csr(uint64_t bits) {                                                                 \
        asm volatile("csrc " #csr ", %0" ::"rK"(bits) : "memory");                                           \
    }

RUMPK_CSR_FUNCTIONS(sstatus)
RUMPK_CSR_FUNCTIONS(sie)
RUMPK_CSR_FUNCTIONS(sip)
RUMPK_CSR_FUNCTIONS(stvec)
RUMPK_CSR_FUNCTIONS(sscratch)
RUMPK_CSR_FUNCTIONS(scause)
RUMPK_CSR_FUNCTIONS(stval)
RUMPK_CSR_FUNCTIONS(satp)
RUMPK_CSR_FUNCTIONS(stimecmp)

#undef RUMPK_CSR_FUNCTIONS

// Ticks of the timebase since reset. May be reordered with other code: it orders nothing.
inline uint64_t read_time() {
    uint64_t ticks;
    asm volatile("rdtime %0" : "=r"(ticks));
    return ticks;
}

} // namespace rumpk::hal
