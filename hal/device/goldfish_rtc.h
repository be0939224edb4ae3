// SPDX-License-Identifier: Apache-2.0
//
// The Goldfish real-time clock (Android emulator, GOLDFISH-VIRTUAL-HARDWARE,
// "Goldfish timer"): nanoseconds since 1970-01-01 UTC in two words.
#pragma once

#include "hal/device/register_access.h"

namespace rumpk::hal {

template <RegisterAccess Access>
uint64_t goldfish_rtc_now(uint64_t registers) {
    constexpr uint64_t time_low = 0;
    constexpr uint64_t time_high = 4;
    // Reading the low word latches the high one.
    uint64_t low = Access::read32(registers + time_low);
    return uint64_t{Access::read32(registers + time_high)} << 32 | low;
}

} // namespace rumpk::hal
