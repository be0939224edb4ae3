// SPDX-License-Identifier: Apache-2.0
// Holds 16,359 deadlines, and its own.
#include "tests/apps/crowd/sleepers.h"

int main() {
    if (crowd::spawn_sleepers(16'359, 1) != 16'359) {
        return 1;
    }
    crowd::sleep_again(2);
}
