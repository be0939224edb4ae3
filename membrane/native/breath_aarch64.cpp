// SPDX-License-Identifier: Apache-2.0
// Arm ARM, C6.2: a hint, nothing on a core that has no use for it.
#include "nexus/ring.h"

namespace nexus::detail {

void breathe() {
    asm volatile("yield");
}

} // namespace nexus::detail
