// SPDX-License-Identifier: Apache-2.0
// The core's only view of the hardware: the HAL's table, set once at boot.
#pragma once

#include "abi/hal.h"
#include "core/types.h"

namespace rumpk {

// Set in the first line of rumpk_core_main, never written again.
extern const struct hal* machine_table;

[[nodiscard]] inline const struct hal& machine() {
    return *machine_table;
}

// Nothing translates addresses: a window is memory, its frames are its addresses, and only a cell at user
// privilege is kept from touching what it has no rights to.
inline constexpr bool windows_are_memory = RUMPK_WINDOWS_ARE_MEMORY != 0;

// Interrupts are masked while one of these lives. Everything a core shares with
// its own interrupts (run queue, deadlines, fibers) is touched only under one.
class [[nodiscard]] InterruptsMasked {
  public:
    InterruptsMasked() : before_(machine().interrupts_mask()) {}
    ~InterruptsMasked() { machine().interrupts_restore(before_); }
    InterruptsMasked(const InterruptsMasked&) = delete;
    InterruptsMasked& operator=(const InterruptsMasked&) = delete;

  private:
    uint64_t before_;
};

} // namespace rumpk
