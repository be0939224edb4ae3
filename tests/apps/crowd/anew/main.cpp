// SPDX-License-Identifier: Apache-2.0
// 2,000 fibers that hold deadlines; a while later the cell faults, and begins anew.
#include "tests/apps/crowd/sleepers.h"

int main() {
    if (crowd::spawn_sleepers(2'000, 3) != 2'000) {
        return 1;
    }
    nexus::sleep_for(nexus::Duration(2'000'000));
    *reinterpret_cast<volatile int*>(8) = 0;
}
