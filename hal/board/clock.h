// SPDX-License-Identifier: Apache-2.0
//
// Ticks of the timebase and nanoseconds, exactly enough: a deadline turned into
// ticks is never early, and no sum overflows for 500 years.
#pragma once

#include <cstdint>

namespace rumpk::hal {

class Clock {
  public:
    constexpr Clock() = default;

    // frequency: ticks per second, 1000..1000000000
    explicit constexpr Clock(uint64_t frequency)
        : to_ns_(ns_per_second, frequency), to_ticks_(frequency, ns_per_second) {}

    // Rounded down; below the true value by less than 2 ns and never above it.
    constexpr uint64_t nanoseconds(uint64_t ticks) const { return to_ns_.apply(ticks); }

    // The first tick at which `nanoseconds` says `when` or more. No tick that
    // this machine lives to see: all ones.
    constexpr uint64_t ticks(uint64_t when) const {
        uint64_t tick = to_ticks_.apply(when);
        // At most one too low by the rounding of each direction.
        for (int rounding = 0; rounding < 3 && nanoseconds(tick) < when; ++rounding) {
            ++tick;
        }
        return tick;
    }

    // nanoseconds(ticks) is ticks * whole + (ticks * fraction >> 64).
    constexpr uint64_t whole() const { return to_ns_.whole; }
    constexpr uint64_t fraction() const { return to_ns_.fraction; }

  private:
    static constexpr uint64_t ns_per_second = 1000000000;

    // Multiplies by a quotient: 64 bits whole, 64 bits fraction, rounded down.
    struct Ratio {
        uint64_t whole = 0;
        uint64_t fraction = 0;

        constexpr Ratio() = default;
        constexpr Ratio(uint64_t dividend, uint64_t divisor) : whole(dividend / divisor) {
            // Long division, bit by bit: the remainder stays below 2^30, so nothing is lost.
            uint64_t rest = dividend % divisor;
            for (int bit = 63; bit >= 0 && rest != 0; --bit) {
                rest <<= 1;
                if (rest >= divisor) {
                    rest -= divisor;
                    fraction |= uint64_t{1} << bit;
                }
            }
        }
        constexpr uint64_t apply(uint64_t value) const {
            auto low = static_cast<uint64_t>(static_cast<unsigned __int128>(value) * fraction >> 64);
            return value * whole + low;
        }
    };

    Ratio to_ns_;
    Ratio to_ticks_;
};

} // namespace rumpk::hal
