// SPDX-License-Identifier: Apache-2.0
//
// Has the secret in its registers whenever it gives the core up: in turns, and as a fiber of a higher tier
// that interrupts.
#include <nexus/fiber.h>

#include "tests/apps/registers/registers.h"

namespace {

void interrupt(uint64_t) {
    for (;;) {
        registers::fill(registers::secret);
        nexus::sleep_for(std::chrono::microseconds(100));
    }
}

} // namespace

int main() {
    (void)nexus::spawn(interrupt, 0, {.tier = nexus::Tier::photon, .bare = true});
    for (;;) {
        registers::fill(registers::secret);
        nexus::yield();
    }
}
