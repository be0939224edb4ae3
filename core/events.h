// SPDX-License-Identifier: Apache-2.0
// Where the core is entered once it has booted, other than by a call.
#pragma once

#include "abi/hal.h"

namespace rumpk {

// What the HAL calls, each on an interrupt stack.
extern const hal_events events_of_core;

// The console fiber's body.
void run_console(void*);

} // namespace rumpk
