// SPDX-License-Identifier: Apache-2.0
// How fibers begin and end.
#pragma once

#include "core/fiber.h"

namespace rumpk {

// Masked. Makes the context of a fiber whose stack, entry and argument are set;
// where no guard page does it, plants the canary.
void fiber_prepare(Fiber& fiber);

// Masked. Ends a fiber of a cell, the running one included: tells its cell, gives
// its slot back. With the last fiber the cell ends, with `code`. Does not switch.
void fiber_end(Fiber& fiber, int64_t code);

// Masked. Ends every fiber of a cell. With the last cell the machine ends.
void cell_end(Cell& cell, int64_t code);

} // namespace rumpk
