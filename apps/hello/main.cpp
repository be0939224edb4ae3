// SPDX-License-Identifier: Apache-2.0
//
// The smallest useful program: says where it runs.
#include <array>
#include <cstdio>

#include <nexus/meta.h>

int main() {
    std::array<char, 64> buffer;
    const auto machine = nexus::machine(buffer);
    if (!machine) {
        std::fputs("hello: the machine has no name\n", stderr);
        return 1;
    }
    std::fputs("Hello from Rumpk on ", stdout);
    std::fwrite(machine->data(), 1, machine->size(), stdout);
    std::putchar('\n');
    return 0;
}
