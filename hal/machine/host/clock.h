// SPDX-License-Identifier: Apache-2.0
// Time: CLOCK_MONOTONIC counted from the process's start, and one kernel timer a core.
#ifndef RUMPK_HAL_MACHINE_HOST_CLOCK_H
#define RUMPK_HAL_MACHINE_HOST_CLOCK_H

#include "hal/machine/host/core.h"

namespace rumpk::hal {

void clock_start();
[[nodiscard]] int64_t clock_wall_offset(); // as hal_boot.wall_offset
uint64_t now();
void timer_set(uint64_t when);

// Whether the deadline has really passed; if so it is disarmed. The signal alone
// says too little: it may belong to a deadline that was replaced meanwhile.
bool timer_expired(Core& core);

} // namespace rumpk::hal

#endif
