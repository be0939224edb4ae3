// SPDX-License-Identifier: Apache-2.0
// Zihintpause: `pause` is a fence that orders nothing, and nothing on a core without the extension.
#include "nexus/ring.h"

namespace nexus::detail {

void breathe() {
    asm volatile(".insn i 0x0f, 0, x0, x0, 0x010");
}

} // namespace nexus::detail
