// SPDX-License-Identifier: Apache-2.0
//
// steady faults: faults at once, in every life. steady quiet: does nothing.
#include <string_view>

#include <nexus/fiber.h>

#include "tests/apps/ways.h"

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "faults") {
        test::ways::read_at(0);
    }
    nexus::sleep_until(nexus::never);
}
