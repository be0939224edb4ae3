// SPDX-License-Identifier: Apache-2.0
#include "drivers/uart/pl011.h"
#include "tests/apps/uart-bad/bad.h"

int main(int argc, char** argv) {
    return uart::be_bad<uart::Pl011>(argc, argv);
}
