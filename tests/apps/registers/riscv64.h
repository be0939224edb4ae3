// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/apps/registers/each.h"

#if defined(__riscv)

namespace registers {

// f0-f31 in order.
using All = std::array<uint64_t, 32>;

[[nodiscard]] constexpr bool is_kept(size_t word) { // across a call: fs0-fs11
    return word == 8 || word == 9 || (word >= 18 && word <= 27);
}

inline void fill(uint64_t value) {
    asm volatile(REGISTERS_EACH("fmv.d.x f\\n, %0")
                 :
                 : "r"(value)
                 : "f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "f10", "f11", "f12", "f13",
                   "f14", "f15", "f16", "f17", "f18", "f19", "f20", "f21", "f22", "f23", "f24", "f25", "f26",
                   "f27", "f28", "f29", "f30", "f31");
}
// Reads alone: who has no state of floating point has none afterwards.
inline void look(All& into) {
    asm volatile(REGISTERS_EACH("fsd f\\n, 8 * \\n(%0)") : : "r"(into.data()) : "memory");
}

} // namespace registers

#endif
