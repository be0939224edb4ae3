// SPDX-License-Identifier: Apache-2.0
//
// Built with all applications; where nothing keeps cells apart, nobody runs it.
#pragma once

#include "tests/apps/registers/each.h"

#if defined(__x86_64__)

namespace registers {

// xmm0-xmm15 in order, two words each.
using All = std::array<uint64_t, 32>;

[[nodiscard]] constexpr bool is_kept(size_t) { // across a call: none
    return false;
}

inline void fill(uint64_t value) {
    asm volatile(REGISTERS_LOWER("movq %0, %%xmm\\n\n punpcklqdq %%xmm\\n, %%xmm\\n")
                 :
                 : "r"(value)
                 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",
                   "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}
inline void look(All& into) {
    asm volatile(REGISTERS_LOWER("movups %%xmm\\n, 16 * \\n(%0)") : : "r"(into.data()) : "memory");
}

} // namespace registers

#endif
