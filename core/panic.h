// SPDX-License-Identifier: Apache-2.0
// The end of the machine when the kernel cannot go on: what happened, registers
// and a backtrace on the console, then power off with RUMPK_EXIT_PANIC.
#pragma once

#include <string_view>

#include "abi/hal.h"

namespace rumpk {

struct Fiber;

// Any context. Never returns.
[[noreturn]] void panic(std::string_view what);
[[noreturn]] void panic_fiber(const Fiber& fiber, std::string_view what);
// A fault that no cell can be ended for.
[[noreturn]] void panic_fault(const hal_fault& fault);
// A fault of the fiber's own code, which has ended its cell: what, where and who. By a fiber of the kernel;
// the cell's memory is as it was.
void report_fault(const hal_fault& fault, const Fiber& fiber);

} // namespace rumpk
