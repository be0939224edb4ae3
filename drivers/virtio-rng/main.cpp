// SPDX-License-Identifier: Apache-2.0
#include "drivers/virtio-rng/rng.h"

// Ends with the number of the error where there is nothing to drive.
int main() {
    auto rng = virtio::Rng::open();
    if (!rng) {
        return static_cast<int>(rng.error());
    }
    rng->serve();
}
