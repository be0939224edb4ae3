// SPDX-License-Identifier: Apache-2.0
// The kernel's own lines. The kernel is silent but for one line when it is
// ready, and what must be said.
#pragma once

#include "core/format.h"

namespace rumpk {

using KernelLine = LineBuffer<160>;

// Any context. Prints "rumpk: ", the line and an end of line on the kernel's channel.
void print(const Line& line);
// The same if the boot option rumpk.log=verbose was given.
void print_verbose(const Line& line);
void log_prepare(bool verbose);
[[nodiscard]] bool log_is_verbose();

// The machine cannot be started as it is: says why and ends with RUMPK_EXIT_PANIC.
[[noreturn]] void stop_boot(const Line& line);

} // namespace rumpk
