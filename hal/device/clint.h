// SPDX-License-Identifier: Apache-2.0
//
// The core-local interruptor (SiFive FU540 manual, chapter 9; RISC-V ACLINT specification 1.0): a software
// interrupt and a timer for each hart, by its id.
#pragma once

#include "hal/device/register_access.h"

namespace rumpk::hal {

template <RegisterAccess Access>
class Clint {
  public:
    // registers: address of the first.
    explicit constexpr Clint(uint64_t registers) : registers_(registers) {}

    void ring(uint64_t hart) const { Access::write32(software(hart), 1); }
    void quiet(uint64_t hart) const { Access::write32(software(hart), 0); }

    // An interrupt from that tick of the timebase on. In halves, upper first and as late as can be: in
    // between it is never earlier than either.
    void set_timer(uint64_t hart, uint64_t ticks) const {
        const uint64_t compare = registers_ + compares + hart * 8;
        Access::write32(compare + 4, ~uint32_t{0});
        Access::write32(compare, static_cast<uint32_t>(ticks));
        Access::write32(compare + 4, static_cast<uint32_t>(ticks >> 32));
    }

  private:
    static constexpr uint64_t compares = 0x4000;

    uint64_t software(uint64_t hart) const { return registers_ + hart * 4; }

    uint64_t registers_;
};

} // namespace rumpk::hal
