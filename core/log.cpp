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

void print(const Line& line) {
    console().put(HAL_CONSOLE_KERNEL, "rumpk: ");
    console().put(HAL_CONSOLE_KERNEL, line.view());
    console().put(HAL_CONSOLE_KERNEL, "\n");
}

namespace {
void print_list(const char* format, va_list values) {
    KernelLine line;
    print(line.format_list(format, values));
}
} // namespace

void print(const char* format, ...) {
    va_list values;
    va_start(values, format);
    print_list(format, values);
    va_end(values);
}

void print_verbose(const char* format, ...) {
    if (verbose_lines) {
        va_list values;
        va_start(values, format);
        print_list(format, values);
        va_end(values);
    }
}

void stop_boot(const char* format, ...) {
    va_list values;
    va_start(values, format);
    print_list(format, values);
    va_end(values);
    console().put_exit(RUMPK_EXIT_PANIC);
    machine().power_off(RUMPK_EXIT_PANIC);
    __builtin_unreachable();
}

} // namespace rumpk
