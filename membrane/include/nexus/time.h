// SPDX-License-Identifier: Apache-2.0
//
// Time: nanoseconds, monotonic since reset and of the wall.
#pragma once

#include <chrono>
#include <cstdint>

#include "nexus/call.h"

namespace nexus {

using Duration = std::chrono::nanoseconds;

// Counts from the machine's reset, never goes back; what deadlines are given in. Meets the standard's
// TrivialClock. Without a trap where the hardware can.
struct MonotonicClock {
    using duration = Duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<MonotonicClock>;
    static constexpr bool is_steady = true;

    [[nodiscard]] static time_point now() {
        return time_point(Duration(call::raw(RUMPK_CALL_TIME, RUMPK_CLOCK_MONOTONIC)));
    }
};

using Instant = MonotonicClock::time_point;

// As a deadline: none.
inline constexpr Instant never = Instant::max();

[[nodiscard]] inline Instant now() {
    return MonotonicClock::now();
}

// The number the calls take: ns, RUMPK_NEVER for never. Before reset counts as reset: a deadline that
// has passed.
[[nodiscard]] constexpr uint64_t deadline_of(Instant when) {
    if (when == never) {
        return RUMPK_NEVER;
    }
    const auto ns = when.time_since_epoch().count();
    return ns < 0 ? 0 : static_cast<uint64_t>(ns);
}

// ns since 1970-01-01 00:00 UTC. ENODEV: the machine has no clock chip. Read once at boot, kept by the
// monotonic clock since.
[[nodiscard]] inline Result<Duration> wall_clock() {
    const auto ns = call::time(RUMPK_CLOCK_WALL);
    if (!ns) {
        return error(ns.error());
    }
    return Duration(static_cast<Duration::rep>(*ns));
}

} // namespace nexus
