// SPDX-License-Identifier: Apache-2.0
//
// What the trap handler asks the devices.
#pragma once

#include <cstdint>

namespace rumpk::hal {

// The external interrupt: returns the line to serve, 0 if there is none. [masked]
uint32_t device_claim();

} // namespace rumpk::hal
