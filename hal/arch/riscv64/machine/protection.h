// SPDX-License-Identifier: Apache-2.0
//
// Physical memory protection (privileged specification 1.12, 3.7): what binds programs at user privilege,
// and nobody else: no entry is locked.
//
// Entry 0 is for the page below the running program's stack (reach.inc). Of the others, the first that holds
// an address decides; what none holds is not the program's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "abi/systable.h"
#include "hal/arch/riscv64/machine/mode.h"
#include "hal/board/regions.h"

namespace rumpk::hal {

// The registers, as they are loaded: pmpaddr0 to 15, pmpcfg0 and 2.
struct Entries {
    std::array<uint64_t, ENTRIES> address;
    std::array<uint8_t, ENTRIES> config;
};
static_assert(offsetof(Entries, config) == ENTRIES_CONFIG && sizeof(Entries) == ENTRIES_CONFIG + ENTRIES);

extern "C" Entries hal_pmp_entries[1 + RUMPK_WINDOW_COUNT];

// False: they need more entries than there are.
[[nodiscard]] bool make_entries(const Regions& regions, Entries& entries);

} // namespace rumpk::hal
