// SPDX-License-Identifier: Apache-2.0
// Boot of the cores: what each one owns, and its first steps.
#pragma once

#include <string_view>

#include "core/boot_table.h"
#include "core/types.h"

namespace rumpk {

// Boot only. A stack for the kernel's own use; `what` says whose, when memory ends.
[[nodiscard]] AddressRange kernel_stack(uint64_t size, std::string_view what);

// Boot only. A scheduler, stacks, random numbers and rings to the others for the
// calling core and for each other one on which a cell of the image may run fibers.
void prepare_cores(const BootTable& table);
// How many run fibers. Once they are prepared.
[[nodiscard]] uint32_t cores_in_use();
// Of this machine: the boot core and the first others, so many together. A bit per core.
[[nodiscard]] uint64_t first_cores(uint32_t count);
// Boot only, once interrupts have somewhere to go.
void start_other_cores();

// Where a started core begins. Never returns.
[[noreturn]] void run_core(uint32_t core);

} // namespace rumpk
