// SPDX-License-Identifier: Apache-2.0
//
// Sends back what comes, as the first argument says.
#include <cstring>
#include <string_view>

#include <nexus/fiber.h>

#include "ion/ring.h"
#include "tests/apps/relay/relay.h"

namespace {

using relay::Number;

// A number is released when its echo is sent: if this cell ends in between, it comes again.
int echo(nexus::ring<Number>::receiver& there, nexus::ring<Number>::sender& back, bool faulty) {
    const uint32_t life = there.end().epoch(); // the ring's first is 1, and whoever opens an end counts on
    constexpr uint32_t last_faulty = 4;
    for (;;) {
        const auto message = there.end().peek();
        if (!message) {
            if (message.error() != nexus::Errno::again) {
                return 3;
            }
            there.end().arm();
            if (there.end().empty()) {
                (void)nexus::call::yield(there.wait_channels(), 0, RUMPK_NEVER, 0);
            }
            there.end().disarm();
            continue;
        }
        Number number{};
        std::memcpy(&number, message->payload.data(), sizeof number);
        if (faulty && number.value == 150 * life && life <= last_faulty) {
            __builtin_trap();
        }
        ++number.echoed;
        if (!back.send(number) || !there.end().release()) {
            return 4;
        }
        if (there.end().peer_waiting()) {
            (void)nexus::call::yield(0, there.wait_channels(), 0, RUMPK_YIELD_NOWAIT);
        }
    }
}

// What a sender can write that is no message.
void lie(nexus::ring<Number>::sender& back) {
    auto* const slot =
        reinterpret_cast<uint32_t*>(static_cast<uintptr_t>(relay::back + RUMPK_RING_HEADER_SIZE));
    slot[2] = ~0U; // a length of 4 GiB
    slot[0] = 1;   // committed
    (void)nexus::call::yield(0, back.wait_channels(), 0, RUMPK_YIELD_NOWAIT);
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    auto there = nexus::open_receiver<Number>("there");
    auto back = nexus::open_sender<Number>("back");
    if (!there || !back) {
        return 5;
    }
    if (what == "end") {
        const auto number = there->receive();
        return number && back->send(*number) ? 0 : 6;
    }
    if (what == "lie") {
        lie(*back);
        nexus::sleep_until(nexus::never);
    }
    if (what == "handles" || what == "needs") {
        nexus::sleep_until(nexus::never);
    }
    return echo(*there, *back, what == "fault");
}
