// SPDX-License-Identifier: Apache-2.0
//
// Says which life this is, and sleeps in its first one, and hangs in the next.
#include <nexus/fiber.h>
#include <nexus/peer.h>

int main() {
    auto lives = nexus::open_sender<uint64_t>("lives");
    if (!lives) {
        return 2;
    }
    const uint64_t life = lives->end().epoch() - 1; // who opens an end counts on from 1
    if (!lives->send(life)) {
        return 3;
    }
    if (life == 1) {
        nexus::sleep_until(nexus::never);
    }
    for (volatile uint64_t count = 0;;) {
        count = count + 1;
    }
}
