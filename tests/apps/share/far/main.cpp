// SPDX-License-Identifier: Apache-2.0
//
// Says what it sees of the bytes that it shares, or writes there.
#include <nexus/share.h>

#include "tests/apps/share/share.h"

int main() {
    auto to = nexus::open_receiver<share::Seen>("to.far");
    auto from = nexus::open_sender<share::Seen>("from.far");
    const auto words = nexus::share("words");
    const auto licence = nexus::share("licence");
    if (!to || !from || !words || !licence) {
        return 2;
    }
    for (;;) {
        const auto asked = to->receive(); // and released: whoever comes after a fault does not see it again
        if (!asked) {
            return 3;
        }
        if (asked->sum != 0) {
            *share::hidden<volatile uint8_t>(reinterpret_cast<uintptr_t>(words->data())) = 1;
        }
        if (!from->send(share::seen(*words)) || !from->send(share::seen(*licence))) {
            return 4;
        }
    }
}
