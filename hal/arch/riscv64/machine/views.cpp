// SPDX-License-Identifier: Apache-2.0
#include "hal/arch/riscv64/machine/protection.h"
#include "hal/board/arch.h"

namespace rumpk::hal {

// What reach.inc loads. Nothing is translated, so nothing is kept that a tag would tell apart.
uint64_t translation_view(uint64_t root, uint32_t) {
    return reinterpret_cast<uintptr_t>(&hal_pmp_entries[root]);
}

} // namespace rumpk::hal
