// SPDX-License-Identifier: Apache-2.0
#include "hal/arch/riscv64/csr.h"
#include "hal/board/arch.h"

namespace rumpk::hal {

namespace {

constexpr uint64_t satp_sv39 = uint64_t{8} << 60; // 4.1.11
constexpr uint64_t satp_asid = uint64_t{0xffff} << 44;

// 4.1.11: of an ASID's bits the processor has as many as can be written, the lowest first.
uint64_t most_tags() {
    const uint64_t before = read_satp();
    write_satp(before | satp_asid);
    const uint64_t kept = read_satp();
    write_satp(before);
    return kept / (satp_asid & -satp_asid) & 0xffff;
}

} // namespace

// Without an ASID of its own, reach.inc has what was kept of another view forgotten.
uint64_t translation_view(uint64_t root, uint32_t tag) {
    return satp_sv39 | (tag <= most_tags() ? tag : 0) * (satp_asid & -satp_asid) | root / HAL_PAGE_SIZE;
}

} // namespace rumpk::hal
