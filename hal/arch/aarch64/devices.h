// SPDX-License-Identifier: Apache-2.0
//
// What the trap handler asks the interrupt controller.
#pragma once

#include <cstdint>

namespace rumpk::hal {

// Lines that are not devices': of the virtual timer (Arm Base System Architecture, DEN 0094, "PPI
// assignments"), the message that core_wake sends, and "there is none" (IHI 0069, 2.2.1).
constexpr uint32_t line_message = 0;
constexpr uint32_t line_timer = 27;
constexpr uint32_t line_none = 1023;

// An interrupt: returns its line, line_none if there is none any more. [masked]
uint32_t interrupt_claim();
// The line may come again. [masked]
void interrupt_done(uint32_t line);

} // namespace rumpk::hal
