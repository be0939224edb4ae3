// SPDX-License-Identifier: Apache-2.0
//
// Has no channel, and tries to look into one.
#include <string_view>

#include <nexus/fiber.h>

#include "tests/apps/relay/needs.h"
#include "tests/apps/relay/relay.h"

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    if (what == "read-channel") {
        return static_cast<int>(*reinterpret_cast<volatile uint64_t*>(static_cast<uintptr_t>(relay::there)));
    }
    if (what == "write-channel") {
        *reinterpret_cast<volatile uint64_t*>(static_cast<uintptr_t>(relay::back)) = 1;
    }
    if (what != "needs") {
        return 0;
    }
    int refused = 0;
    for (const relay::Need& need : relay::needs) {
        refused += relay::ask(need) == need.without ? 1 : 0;
    }
    for (uint32_t slot = 0; slot < RUMPK_CAP_SLOTS; ++slot) {
        refused -= nexus::meta_capability(slot) ? 1 : 0; // it has none
    }
    return refused;
}
