// SPDX-License-Identifier: Apache-2.0
// The kernel's own lines. The kernel is silent but for one line when it is
// ready, and what must be said.
#pragma once

#include "core/format.h"

namespace rumpk {

using KernelLine = LineBuffer<160>;

// Any context. Prints "rumpk: ", the line and an end of line on the kernel's channel. Formats as in format.h.
void print(const Line& line);
[[gnu::format(printf, 1, 2)]] void print(const char* format, ...);
// The same if the boot option rumpk.log=verbose was given.
[[gnu::format(printf, 1, 2)]] void print_verbose(const char* format, ...);
void log_prepare(bool verbose);

// The machine cannot be started as it is: says why and ends with RUMPK_EXIT_PANIC.
[[noreturn, gnu::format(printf, 1, 2)]] void stop_boot(const char* format, ...);

} // namespace rumpk
