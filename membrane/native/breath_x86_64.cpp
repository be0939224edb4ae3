// SPDX-License-Identifier: Apache-2.0
// Intel SDM, volume 2, PAUSE: nothing on a processor that has no use for it.
#include "nexus/ring.h"

namespace nexus::detail {

void breathe() {
    asm volatile("pause");
}

} // namespace nexus::detail
