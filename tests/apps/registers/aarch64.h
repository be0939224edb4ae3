// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/apps/registers/each.h"

#if defined(__aarch64__)

namespace registers {

// v0-v31 in order, two words each.
using All = std::array<uint64_t, 64>;

[[nodiscard]] constexpr bool is_kept(size_t word) { // across a call: d8-d15
    return word >= 16 && word < 32 && word % 2 == 0;
}

inline void fill(uint64_t value) {
    asm volatile(REGISTERS_EACH("dup v\\n\\().2d, %0")
                 :
                 : "r"(value)
                 : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13",
                   "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26",
                   "v27", "v28", "v29", "v30", "v31");
}
inline void look(All& into) {
    asm volatile(REGISTERS_EACH("str q\\n, [%0, #16 * \\n]") : : "r"(into.data()) : "memory");
}

} // namespace registers

#endif
