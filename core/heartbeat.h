// SPDX-License-Identifier: Apache-2.0
// A cell's heartbeat are its calls: one whose fiber has had the core for longer than its manifest allows and
// made none hangs, and ends as by a fault. A fiber that waits is in a call: it does not hang.
//
// Whoever has none pays nothing: calls are heard only where the SysTable leads through here, and one deadline
// is there while a cell with a heartbeat lives.
#pragma once

#include "core/types.h"

namespace rumpk {

class BootTable;

// Boot only, of the functions by number (abi/systable.h): in an image that has a cell with a heartbeat, the
// cell's calls are heard from now on.
void hear_calls(const BootTable& table, uint64_t* calls);

// In the timer interrupt, on the home core: the moment of Scheduler::watch_at() has come. May end who runs.
void look_after_cells(Instant now);

} // namespace rumpk
