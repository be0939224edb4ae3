// SPDX-License-Identifier: Apache-2.0
//
// The clock chip PrimeCell RTC PL031 (Arm DDI 0224, 3.3.1): seconds since 1970-01-01 UTC.
#pragma once

#include "hal/device/register_access.h"

namespace rumpk::hal {

template <RegisterAccess Access>
uint64_t pl031_now(uint64_t registers) {
    constexpr uint64_t data = 0;
    constexpr uint64_t second = 1'000'000'000;
    return Access::read32(registers + data) * second;
}

} // namespace rumpk::hal
