// SPDX-License-Identifier: Apache-2.0
//
// The MMU, and what has to follow a store to page tables or code.
#include <cstddef>

#include "hal/arch/aarch64/layout.h"
#include "hal/arch/aarch64/sysreg.h"
#include "hal/board/arch.h"
#include "hal/board/image.h"
#include "hal/board/memory.h"
#include "hal/board/page_format.h"

namespace rumpk::hal {

// What secondary cores take as it is (entry.S): MAIR_EL1, TCR_EL1, TTBR0_EL1, SCTLR_EL1.
struct Mmu {
    uint64_t mair;
    uint64_t tcr;
    uint64_t ttbr0;
    uint64_t sctlr;
};
static_assert(offsetof(Mmu, ttbr0) == MMU_TTBR0);
extern "C" constinit Mmu hal_mmu = {};

namespace {

// D19.2.108, by AttrIndx: write-back, read- and write-allocate; Device-nGnRE (page_format.cpp).
constexpr uint64_t attributes = 0x04ff;

// TCR_EL1, D19.2.139: 39 bits of TTBR0, nothing by TTBR1; tables are walked in cached,
// inner-shareable memory; granule 4 KiB; ASIDs of 16 bits or of 8.
constexpr uint64_t tcr_of(uint64_t physical_size, bool long_asids) {
    constexpr uint64_t t0sz = 64 - 39;
    constexpr uint64_t walks_write_back = 1 << 8 | 1 << 10;
    constexpr uint64_t walks_inner_shareable = 3 << 12;
    constexpr uint64_t no_ttbr1 = 1 << 23;
    constexpr uint64_t granule1 = uint64_t{2} << 30; // of TTBR1: 4 KiB; not to be an unknown value
    return t0sz | t0sz << 16 | walks_write_back | walks_inner_shareable | no_ttbr1 | granule1 |
           physical_size << 32 | uint64_t{long_asids} << 36;
}

// SCTLR_EL1, D19.2.119: MMU, both caches, stack alignment at EL1 and EL0; nothing writable is executable. EL0
// may execute DC ZVA, WFE and read CTR_EL0, which harm nobody; not WFI, nor what else it would have to be
// let.
constexpr uint64_t sctlr_on =
    SCTLR_EL1_RES1 | 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 12 | 1 << 14 | 1 << 15 | 1 << 18 | 1 << 19;
constexpr uint64_t sctlr_span = 1 << 23; // of the RES1 bits: clear, PAN is set by each exception

// CTR_EL0: bytes of the smallest line.
uint64_t data_line() {
    return uint64_t{4} << (read_cache_type() >> 16 & 15);
}
uint64_t instruction_line() {
    return uint64_t{4} << (read_cache_type() & 15);
}

// While the caches were off, stores went to memory past whatever a line of it said that somebody
// had left in them (boot protocol: of the image and the tree there is none).
void forget_lines(uint64_t base, uint64_t end) {
    const uint64_t line = data_line();
    for (uint64_t at = base; at < end; at += line) {
        asm volatile("dc ivac, %0" ::"r"(at) : "memory");
    }
    asm volatile("dsb sy" ::: "memory");
}

} // namespace

// D8.14.1, break before make: what is valid and becomes something of another size is invalid in
// between, on every core. One that goes through it meanwhile faults and tries again, until the entry
// is valid again (trap.cpp): the caller is masked and about to make it so.
void page_format::before_cut(uint64_t* entry, uint64_t address) {
    *entry = being_cut;
    translation_changed(address, HAL_PAGE_SIZE, false);
}

// The barriers of D8.13.4: the tables' stores are seen by walks, then what was kept of the old ones is
// forgotten on every core of the inner shareable domain, and has been when the second DSB completes.
void translation_changed(uint64_t address, uint64_t size, bool tables_changed) {
    constexpr uint64_t one_by_one = 8 * HAL_PAGE_SIZE;
    asm volatile("dsb ishst" ::: "memory");
    if (tables_changed || size > one_by_one) {
        asm volatile("tlbi vmalle1is" ::: "memory");
    } else {
        for (uint64_t at = address; at < address + size; at += HAL_PAGE_SIZE) {
            asm volatile("tlbi vaae1is, %0" ::"r"(at >> 12) : "memory");
        }
    }
    asm volatile("dsb ish\n\tisb" ::: "memory");
}

const char* translation_begin(uint64_t root, AddressRange memory) {
    constexpr uint64_t largest_physical = 5; // 48 bits: more would need another format
    uint64_t features = read_features0();
    if ((features >> 28 & 15) == 15) { // TGran4
        return "this processor has no pages of 4 KiB";
    }
    uint64_t physical_size = features & 15;
    physical_size = physical_size < largest_physical ? physical_size : largest_physical;
    const bool long_asids = (features >> 4 & 15) == 2; // ASIDBits
    uint64_t pan = read_features1() >> 20 & 15;
    hal_mmu = {attributes, tcr_of(physical_size, long_asids), root,
               pan != 0 ? sctlr_on & ~sctlr_span : sctlr_on};
    forget_lines(memory.base, memory.end());
    forget_lines(image::rodata_end(), image::end()); // our variables
    write_mair(hal_mmu.mair);
    write_tcr(hal_mmu.tcr);
    write_ttbr0(hal_mmu.ttbr0);
    asm volatile("tlbi vmalle1\n\tic iallu\n\tdsb nsh\n\tisb" ::: "memory");
    write_sctlr(hal_mmu.sctlr);
    isb();
    if (pan != 0) {
        asm volatile(".inst %0" ::"i"(MSR_PAN_1) : "memory");
    }
    return nullptr;
}

bool translation_is_on() {
    return (read_sctlr() & 1) != 0;
}

// B2.4.4: to the point of unification line by line; IC IVAU and DSB ISH reach all cores. Each of them
// fetches anew after its next exception or return from one, and none runs the code before it was told.
void code_written(uint64_t address, uint64_t size) {
    for (uint64_t at = address & ~(data_line() - 1); at < address + size; at += data_line()) {
        asm volatile("dc cvau, %0" ::"r"(at) : "memory");
    }
    asm volatile("dsb ish" ::: "memory");
    if (has_views) { // it may be run at another address: of all of them, then
        asm volatile("ic ialluis" ::: "memory");
    }
    for (uint64_t at = address & ~(instruction_line() - 1); at < address + size && !has_views;
         at += instruction_line()) {
        asm volatile("ic ivau, %0" ::"r"(at) : "memory");
    }
    asm volatile("dsb ish\n\tisb" ::: "memory");
}

} // namespace rumpk::hal
