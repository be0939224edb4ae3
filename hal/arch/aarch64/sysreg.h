// SPDX-License-Identifier: Apache-2.0
//
// System registers of EL1 (Arm ARM, DDI 0487, D19; those of the interrupt
// controller: GICv3 architecture, IHI 0069, 12.2). The numbers are in the assembler.
#pragma once

#include <cstdint>

namespace rumpk::hal {

// All are compiler barriers: what stands before and after stays there. For the
// processor a write counts from the next context synchronisation on: isb().
#define RUMPK_SYSTEM_REGISTER(name, assembler)                                                               \
    inline uint64_t read_##name() {                                                                          \
        uint64_t value;                                                                                      \
        asm volatile("mrs %0, " assembler : "=r"(value)::"memory");                                          \
        return value;                                                                                        \
    }                                                                                                        \
    inline void write_##name(uint64_t value) {                                                               \
        asm volatile("msr " assembler ", %0" ::"r"(value) : "memory");                                       \
    }

RUMPK_SYSTEM_REGISTER(sctlr, "sctlr_el1")
RUMPK_SYSTEM_REGISTER(ttbr0, "ttbr0_el1")
RUMPK_SYSTEM_REGISTER(tcr, "tcr_el1")
RUMPK_SYSTEM_REGISTER(mair, "mair_el1")
RUMPK_SYSTEM_REGISTER(vbar, "vbar_el1")
RUMPK_SYSTEM_REGISTER(esr, "esr_el1")
RUMPK_SYSTEM_REGISTER(far, "far_el1")
RUMPK_SYSTEM_REGISTER(daif, "daif")
RUMPK_SYSTEM_REGISTER(cntfrq, "cntfrq_el0")
RUMPK_SYSTEM_REGISTER(timer_value, "cntv_cval_el0")
RUMPK_SYSTEM_REGISTER(timer_control, "cntv_ctl_el0")
RUMPK_SYSTEM_REGISTER(features0, "id_aa64mmfr0_el1")
RUMPK_SYSTEM_REGISTER(features1, "id_aa64mmfr1_el1")
RUMPK_SYSTEM_REGISTER(cache_type, "ctr_el0")
RUMPK_SYSTEM_REGISTER(icc_sre, "icc_sre_el1")
RUMPK_SYSTEM_REGISTER(icc_priority_mask, "icc_pmr_el1")
RUMPK_SYSTEM_REGISTER(icc_control, "icc_ctlr_el1")
RUMPK_SYSTEM_REGISTER(icc_group1_enable, "icc_igrpen1_el1")
RUMPK_SYSTEM_REGISTER(icc_acknowledge, "icc_iar1_el1")
RUMPK_SYSTEM_REGISTER(icc_end, "icc_eoir1_el1")
RUMPK_SYSTEM_REGISTER(icc_deactivate, "icc_dir_el1")
RUMPK_SYSTEM_REGISTER(icc_send, "icc_sgi1r_el1")
RUMPK_SYSTEM_REGISTER(core_pointer, "tpidr_el1")

#undef RUMPK_SYSTEM_REGISTER

inline void isb() {
    asm volatile("isb" ::: "memory");
}

// The virtual counter. ISB: without it the counter may be read before what stands
// in front of it in the program, and time would go back between two readings
// (DDI 0487, D12.1.2).
inline uint64_t read_counter() {
    uint64_t ticks;
    asm volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(ticks)::"memory");
    return ticks;
}

// The same at some moment around here.
inline uint64_t read_counter_soon() {
    uint64_t ticks;
    asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
}

} // namespace rumpk::hal
