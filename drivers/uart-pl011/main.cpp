// SPDX-License-Identifier: Apache-2.0
#include "drivers/uart/pl011.h"

// Ends with the number of the error where there is nothing to drive.
int main() {
    auto driver = uart::ConsoleDriver<uart::Pl011>::open();
    if (!driver) {
        return static_cast<int>(driver.error());
    }
    driver->serve();
}
