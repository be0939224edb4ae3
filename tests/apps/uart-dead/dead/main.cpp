// SPDX-License-Identifier: Apache-2.0
#include "drivers/uart/ns16550.h"
#include "tests/apps/uart-bad/bad.h"

int main(int argc, char** argv) {
    return uart::be_bad<uart::Ns16550>(argc, argv);
}
