// SPDX-License-Identifier: Apache-2.0
// What a sanitizer has to be told about stacks and cores. sanitizer_address.cpp tells AddressSanitizer,
// sanitizer_thread.cpp ThreadSanitizer; the build takes one of them.
#pragma once

#include "tests/unit/simulation/flow.h"

namespace rumpk::simulated::sanitizer {

// Something new will begin on that stack. What was on it before never goes on.
void begins_on(HostStack& stack);
// This core is about to go on there (nullptr: the process's own stack)...
void goes_on(HostStack* stack);
// ... or another core is, or the engine, which learns nothing by that of what was done here.
void is_turned_to(HostStack* stack);
// That is where we are now.
void entered(HostStack* stack);
// All that was begun has ended, and what comes is behind it.
void all_ended();
// What looks at the kernel's memory from outside, and is no core.
void look_begins();
void look_ends();

} // namespace rumpk::simulated::sanitizer
