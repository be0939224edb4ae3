// SPDX-License-Identifier: Apache-2.0
//
// std::chrono::system_clock over the call `time`. (steady_clock is nexus::MonotonicClock.)
#include <chrono>

#include "nexus/time.h"
#include "start/process.h"

namespace std::inline _LIBCPP_ABI_NAMESPACE {

namespace chrono {

// The standard leaves no room for an error, and a wrong time would be worse than none.
system_clock::time_point system_clock::now() noexcept {
    const auto wall = nexus::wall_clock();
    if (!wall) {
        nexus::detail::die("std::chrono::system_clock: this machine has no clock chip");
    }
    return time_point(duration_cast<duration>(*wall));
}

time_t system_clock::to_time_t(const time_point& point) noexcept {
    return static_cast<time_t>(duration_cast<seconds>(point.time_since_epoch()).count());
}

system_clock::time_point system_clock::from_time_t(time_t time) noexcept {
    return time_point(seconds(time));
}

} // namespace chrono

} // namespace std::inline _LIBCPP_ABI_NAMESPACE
