// SPDX-License-Identifier: Apache-2.0
//
// The firmware's calls (Arm Power State Coordination Interface, DEN 0022, 1.1). They
// keep every register but x0-x17 (SMC Calling Convention, DEN 0028) and may be made on
// any stack.
#pragma once

#include <cstdint>

namespace rumpk::hal::psci {

// 5.2.2
constexpr int64_t already_on = -4;

// How they are made: the device tree's /psci says which.
enum class Conduit : uint8_t { hvc, smc };
void use(Conduit conduit);

// 5.4: starts a core at a physical address in EL1 or EL2, MMU off, x0 = argument.
// 0, or one of the codes.
[[nodiscard]] int64_t cpu_on(uint64_t affinity, uint64_t address, uint64_t argument);

// 5.9: returns only where the machine cannot.
void system_off();

} // namespace rumpk::hal::psci
