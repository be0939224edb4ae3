// SPDX-License-Identifier: Apache-2.0
//
// The platform-level interrupt controller (RISC-V PLIC specification 1.0.0): 32-bit
// registers, one context for each hart and mode.
#pragma once

#include "hal/device/register_access.h"

namespace rumpk::hal {

template <RegisterAccess Access>
class Plic {
  public:
    constexpr Plic() = default;

    // registers: address of the first; lines: 1..lines exist.
    constexpr Plic(uint64_t registers, uint32_t lines) : registers_(registers), lines_(lines) {}

    // Nothing enabled, every priority heard.
    void begin(uint32_t context) {
        for (uint32_t word = 0; word <= lines_ / bits; ++word) {
            Access::write32(enable_word(context, word * bits), 0);
        }
        Access::write32(context_base(context) + threshold, 0);
    }

    // False: no such line. Called by the context's own core only: the word is read and written back.
    bool enable(uint32_t context, uint32_t line) {
        if (line == 0 || line > lines_) {
            return false;
        }
        Access::write32(registers_ + priority + line * word_size, 1);
        uint64_t word = enable_word(context, line);
        Access::write32(word, Access::read32(word) | uint32_t{1} << line % bits);
        return true;
    }

    // The line to serve, quiet until complete; 0: none, somebody else has it.
    uint32_t claim(uint32_t context) { return Access::read32(context_base(context) + claim_complete); }

    void complete(uint32_t context, uint32_t line) {
        Access::write32(context_base(context) + claim_complete, line);
    }

  private:
    // Chapter 3, the memory map
    static constexpr uint64_t priority = 0;
    static constexpr uint64_t enables = 0x2000;
    static constexpr uint64_t enables_size = 0x80;
    static constexpr uint64_t contexts = 0x200000;
    static constexpr uint64_t context_size = 0x1000;
    static constexpr uint64_t threshold = 0;
    static constexpr uint64_t claim_complete = 4;
    static constexpr uint32_t word_size = 4;
    static constexpr uint32_t bits = 32;

    uint64_t context_base(uint32_t context) const { return registers_ + contexts + context * context_size; }
    uint64_t enable_word(uint32_t context, uint32_t line) const {
        return registers_ + enables + context * enables_size + line / bits * word_size;
    }

    uint64_t registers_ = 0;
    uint32_t lines_ = 0;
};

} // namespace rumpk::hal
