// SPDX-License-Identifier: Apache-2.0
#include "core/log.h"

#include "abi/console.h"
#include "core/console.h"

namespace rumpk {

namespace {
bool verbose_lines = false;
}

void log_prepare(bool verbose) {
    verbose_lines = verbose;
}

bool log_is_verbose() {
    return verbose_lines;
}

void print(const Line& line) {
    console().put(HAL_CONSOLE_KERNEL, "rumpk: ");
    console().put(HAL_CONSOLE_KERNEL, line.view());
    console().put(HAL_CONSOLE_KERNEL, "\n");
}

void print_verbose(const Line& line) {
    if (verbose_lines) {
        print(line);
    }
}

void stop_boot(const Line& line) {
    print(line);
    console().put_exit(RUMPK_EXIT_PANIC);
    machine().power_off(RUMPK_EXIT_PANIC);
    __builtin_unreachable();
}

} // namespace rumpk
