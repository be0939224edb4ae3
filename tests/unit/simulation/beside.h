// SPDX-License-Identifier: Apache-2.0
// A second cell on the simulated machine: fibers in every tier that sleep and wake, spawn and end each other,
// and end the cell, which begins anew each time. The first one, which manages it, ends it as well. So there
// are cells that end while others run, and the checker sees who is given the core.
#pragma once

#include <cstdint>

namespace rumpk::simulated {

// Before the machine runs. In which tiers it may have fibers, and on how many of its cores.
void plan_beside(uint32_t home_tier, uint32_t tier_ceiling, uint32_t cores);
// The entry of every fiber of it.
void live_beside(uint64_t argument);
// By a fiber of the first cell, on its home core: ends the other.
void end_beside();
// How often it has begun anew.
[[nodiscard]] uint64_t begun_beside();

} // namespace rumpk::simulated
