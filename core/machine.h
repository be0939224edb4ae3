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
