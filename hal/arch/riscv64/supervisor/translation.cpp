// SPDX-License-Identifier: Apache-2.0
//
// The MMU, and what has to follow a store to page tables or code.
#include "hal/arch/riscv64/csr.h"
#include "hal/arch/riscv64/supervisor/sbi.h"
#include "hal/board/arch.h"
#include "hal/board/cores.h"

namespace rumpk::hal {

// Turned on, a core that comes up later takes it from here (entry.S).
extern "C" constinit uint64_t hal_satp = 0;

namespace {

constexpr uint64_t satp_sv39 = uint64_t{8} << 60; // 4.1.11

} // namespace

const char* translation_begin(uint64_t root, AddressRange) {
    hal_satp = satp_sv39 | root / HAL_PAGE_SIZE;
    asm volatile("sfence.vma" ::: "memory");
    write_satp(hal_satp);
    asm volatile("sfence.vma" ::: "memory");
    // 4.1.11: a mode that the processor does not have leaves the register as it was.
    return read_satp() == hal_satp ? nullptr : "this processor has no Sv39 paging";
}

bool translation_is_on() {
    return read_satp() != 0;
}

// 4.2.1: after an entry has changed, SFENCE.VMA with the page's address; with x0 for all where a
// table has changed. An implementation may also keep "not there", so new mappings count, too.
// Other cores do the same through SBI, and have done it when the call returns.
void translation_changed(uint64_t address, uint64_t size, bool tables_changed) {
    constexpr uint64_t one_by_one = 8 * HAL_PAGE_SIZE;
    if (tables_changed || size > one_by_one) {
        asm volatile("sfence.vma" ::: "memory");
    } else {
        for (uint64_t at = address; at < address + size; at += HAL_PAGE_SIZE) {
            asm volatile("sfence.vma %0" ::"r"(at) : "memory");
        }
    }
    if (cores_started() > 1) {
        sbi::remote_sfence_vma(sbi::all_harts, tables_changed ? 0 : address,
                               tables_changed ? ~uint64_t{0} : size);
    }
}

// Unprivileged specification, chapter 3 (Zifencei): FENCE.I orders this hart's stores before its
// own fetches only. For the others: FENCE first, so that they can see the stores, then theirs.
void code_written(uint64_t, uint64_t) {
    asm volatile("fence.i" ::: "memory");
    if (cores_started() > 1) {
        asm volatile("fence rw, rw" ::: "memory");
        sbi::remote_fence_i(sbi::all_harts);
    }
}

} // namespace rumpk::hal
