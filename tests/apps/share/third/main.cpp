// SPDX-License-Identifier: Apache-2.0
//
// Was given nothing to read, is told where it is, and looks.
#include <nexus/share.h>

#include "tests/apps/share/share.h"

int main() {
    auto told = nexus::open_receiver<share::Seen>("to.third");
    const auto seen = told ? told->receive() : nexus::error(told.error());
    if (!seen || nexus::share("words").error() != nexus::Errno::noent) {
        return 2;
    }
    return *share::hidden<const volatile uint8_t>(seen->base) == 'o' ? 3 : 4;
}
