// SPDX-License-Identifier: Apache-2.0
//
// Has no channel, and tries to look into one.
#include <string_view>

#include <nexus/fiber.h>

#include "tests/apps/relay/relay.h"

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    if (what == "read-channel") {
        return static_cast<int>(*reinterpret_cast<volatile uint64_t*>(static_cast<uintptr_t>(relay::there)));
    }
    if (what == "write-channel") {
        *reinterpret_cast<volatile uint64_t*>(static_cast<uintptr_t>(relay::back)) = 1;
    }
    if (what == "ring-channel") {
        return nexus::call::raw(RUMPK_CALL_YIELD, 0, uint64_t{1} << 4, 0, RUMPK_YIELD_NOWAIT) == -RUMPK_EBADF
                   ? 42
                   : 43;
    }
    return 0;
}
