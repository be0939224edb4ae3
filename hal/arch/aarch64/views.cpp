// SPDX-License-Identifier: Apache-2.0
#include "hal/arch/aarch64/layout.h"
#include "hal/board/arch.h"

namespace rumpk::hal {

// TTBR0_EL1, D19.2.157. ASIDs have 16 bits where the processor can (translation.cpp), else 8: either is more
// than there are windows. Without one of its own, user.S has what was kept of another view forgotten.
uint64_t translation_view(uint64_t root, uint32_t tag) {
    return root | uint64_t{tag} << TTBR_ASID_SHIFT;
}

} // namespace rumpk::hal
