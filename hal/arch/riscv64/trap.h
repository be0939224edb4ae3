// SPDX-License-Identifier: Apache-2.0
//
// What the parts of trap handling share.
#pragma once

#include "hal/board/clock.h"

namespace rumpk::hal {

// Of the timebase. Written by timer_begin.
extern Clock clock;

} // namespace rumpk::hal
