// SPDX-License-Identifier: Apache-2.0
#include "bench/meter/decode.h"

#include <cstring>

namespace {

// Unprivileged specification, 2.4 and 16.5, LUI and C.LUI: a constant of whole pages, in that register.
bool loads_pages(uint32_t code, uint32_t into) {
    const bool lui = (code & 0x7f) == 0x37;
    const bool compressed_lui = (code & 0xe003) == 0x6001 && code < 0x10000;
    return (lui || compressed_lui) && (code >> 7 & 31) == into;
}

// The same, 2.4, ADDI to x0 (the assembler's LI): a small constant without that bit, in that register.
bool loads_without(uint32_t code, uint32_t into, uint32_t bit) {
    constexpr uint32_t operation_and_source = 0xff07f;
    return (code & operation_and_source) == 0x13 && (code >> 7 & 31) == into && (code >> 20 & bit) == 0;
}

// Privileged specification 1.12: 2.1, 3.1.6.1 and 3.3.2, with the CSR instructions of Zicsr. Supervisor's
// enable bit is looked at in sstatus, machine mode's in mstatus: a kernel runs in one of both.
Kind riscv(uint32_t code, uint32_t before) {
    constexpr uint32_t sret = 0x10200073;
    constexpr uint32_t mret = 0x30200073;
    constexpr uint32_t wfi = 0x10500073;
    constexpr uint32_t ret = 0x00008067;
    constexpr uint32_t compressed_ret = 0x8082;
    constexpr uint32_t system = 0x73;
    constexpr uint32_t sstatus = 0x100;
    constexpr uint32_t mstatus = 0x300;
    if (code == sret || code == mret) {
        return Kind::trap_return;
    }
    if (code == ret || code == compressed_ret) {
        return Kind::function_return;
    }
    if (code == wfi) {
        return Kind::wait;
    }
    const uint32_t csr = code >> 20;
    if ((code & 0x7f) != system || (csr != sstatus && csr != mstatus)) {
        return Kind::plain;
    }
    const uint32_t enable = csr == sstatus ? 1 << 1 : 1 << 3; // SIE, MIE
    const uint32_t function = code >> 12 & 7;
    const uint32_t source = code >> 15 & 31;
    switch (function) {
    case 6: // CSRRSI
        return (source & enable) != 0 ? Kind::unmask : Kind::plain;
    case 7: // CSRRCI
        return (source & enable) != 0 ? Kind::mask : Kind::plain;
    case 1: // CSRRW: the trap's return, where the enable bit of what it writes is clear as it is already
        return Kind::plain;
    default: // a register says what is set or cleared; x0 nothing, and no enable bit is in what is known
        return source == 0 || loads_pages(before, source) || loads_without(before, source, enable)
                   ? Kind::plain
                   : Kind::unclear;
    }
}

// Arm ARM (DDI 0487): C6.2, MSR (immediate), MSR (register), ERET, RET, WFI; DAIF is C5.2.3.
Kind arm(uint32_t code, uint32_t) {
    constexpr uint32_t eret = 0xd69f03e0;
    constexpr uint32_t ret = 0xd65f03c0;
    constexpr uint32_t wfi = 0xd503207f;
    constexpr uint32_t daifset = 0xd50340df; // with the bits at 8
    constexpr uint32_t daifclr = 0xd50340ff;
    constexpr uint32_t immediate = 15 << 8;
    constexpr uint32_t interrupts = 2 << 8; // DAIF.I
    constexpr uint32_t daif = 0xd51b4220;   // MSR DAIF, Xt
    constexpr uint32_t transfer = 31;
    if (code == eret) {
        return Kind::trap_return;
    }
    if (code == ret) {
        return Kind::function_return;
    }
    if (code == wfi) {
        return Kind::wait;
    }
    if ((code & ~transfer) == daif) {
        return Kind::unclear;
    }
    const uint32_t operation = code & ~immediate;
    if ((operation != daifset && operation != daifclr) || (code & interrupts) == 0) {
        return Kind::plain;
    }
    return operation == daifset ? Kind::mask : Kind::unmask;
}

} // namespace

Decode* decoder(const char* architecture) {
    if (std::strcmp(architecture, "riscv64") == 0) {
        return riscv;
    }
    return std::strcmp(architecture, "aarch64") == 0 ? arm : nullptr;
}
