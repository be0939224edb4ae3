// SPDX-License-Identifier: Apache-2.0
#include "drivers/uart/ns16550.h"

// Ends with the number of the error where there is nothing to drive.
int main() {
    auto driver = uart::ConsoleDriver<uart::Ns16550>::open();
    if (!driver) {
        return static_cast<int>(driver.error());
    }
    driver->serve();
}
