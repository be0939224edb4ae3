// SPDX-License-Identifier: Apache-2.0
//
// sleep MS: sleeps so many milliseconds and prints for how many nanoseconds it slept.
#include <cstdio>
#include <cstdlib>

#include <nexus/fiber.h>

int main(int argc, char** argv) {
    const auto wanted = std::chrono::milliseconds(argc > 1 ? std::atoll(argv[1]) : 0);
    const nexus::Instant start = nexus::now();
    nexus::sleep_for(wanted);
    const nexus::Duration slept = nexus::now() - start;
    std::printf("%lld\n", static_cast<long long>(slept.count()));
    return slept >= wanted ? 0 : 1;
}
