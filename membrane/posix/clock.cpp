// SPDX-License-Identifier: Apache-2.0
//
// POSIX's clocks and sleeps over the calls time and yield. Resolution is the machine's clock, told in ns.
#include <cerrno>
#include <ctime>
#include <limits>
#include <sys/time.h>
#include <sys/times.h>
#include <unistd.h>

#include "nexus/console.h"
#include "nexus/meta.h"
#include "nexus/time.h"

namespace {

constexpr int64_t ns_per_second = 1'000'000'000;
constexpr int64_t ns_per_us = 1'000;

[[nodiscard]] int refuse(int number) {
    errno = number;
    return -1;
}

// Sleeps until then. What stands in stdio's slot is shown first: nobody may expect it to wait, too.
void sleep_until(nexus::Instant when) {
    nexus::console::flush();
    (void)nexus::call::yield(0, 0, nexus::deadline_of(when), 0);
}

// `span` from now; as good as never if that is further than the clock counts.
[[nodiscard]] nexus::Instant from_now(int64_t seconds, int64_t ns) {
    const nexus::Instant now = nexus::now();
    const int64_t left = (nexus::Instant::max() - now).count();
    if (seconds > left / ns_per_second - 1) {
        return nexus::Instant::max() - nexus::Duration(1);
    }
    return now + nexus::Duration(seconds * ns_per_second + ns);
}

[[nodiscard]] bool is_time(const timespec* time) {
    return time->tv_sec >= 0 && time->tv_nsec >= 0 && time->tv_nsec < ns_per_second;
}

} // namespace

extern "C" {

// CLOCK_MONOTONIC: since reset. CLOCK_REALTIME: since 1970-01-01 UTC; ENODEV without a clock chip.
// EFAULT; EINVAL: any other clock.
int clock_gettime(clockid_t clock, timespec* time) {
    if (time == nullptr) {
        return refuse(EFAULT);
    }
    if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME) {
        return refuse(EINVAL);
    }
    const auto ns = nexus::call::time(clock == CLOCK_MONOTONIC ? RUMPK_CLOCK_MONOTONIC : RUMPK_CLOCK_WALL);
    if (!ns) {
        return refuse(nexus::number(ns.error()));
    }
    time->tv_sec = static_cast<time_t>(*ns / ns_per_second);
    time->tv_nsec = static_cast<long>(*ns % ns_per_second);
    return 0;
}

// ENODEV without a clock chip: time() then gives -1. The time zone is UTC; EFAULT.
int gettimeofday(timeval* time, void* zone) {
    if (time == nullptr) {
        return refuse(EFAULT);
    }
    if (zone != nullptr) {
        *static_cast<struct timezone*>(zone) = {};
    }
    const auto wall = nexus::wall_clock();
    if (!wall) {
        return refuse(nexus::number(wall.error()));
    }
    time->tv_sec = static_cast<time_t>(wall->count() / ns_per_second);
    time->tv_usec = static_cast<suseconds_t>(wall->count() % ns_per_second / ns_per_us);
    return 0;
}

// Other fibers run meanwhile. Signals do not interrupt it, so that nothing ever remains. EFAULT, EINVAL.
int nanosleep(const timespec* time, timespec* remaining) {
    if (time == nullptr) {
        return refuse(EFAULT);
    }
    if (!is_time(time)) {
        return refuse(EINVAL);
    }
    sleep_until(from_now(time->tv_sec, time->tv_nsec));
    if (remaining != nullptr) {
        *remaining = {};
    }
    return 0;
}

// The same, on a clock and until a time if TIMER_ABSTIME is among the flags. The error number itself is
// returned: EINVAL, EFAULT, and ENOTSUP for a wake-up by the wall.
int clock_nanosleep(clockid_t clock, int flags, const timespec* time, timespec* remaining) {
    if (time == nullptr) {
        return EFAULT;
    }
    if (!is_time(time) || (flags & ~TIMER_ABSTIME) != 0) {
        return EINVAL;
    }
    if (clock == CLOCK_REALTIME && flags == TIMER_ABSTIME) {
        return ENOTSUP;
    }
    if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME) {
        return EINVAL;
    }
    if (flags != TIMER_ABSTIME) {
        return nanosleep(time, remaining) == 0 ? 0 : errno;
    }
    const bool far = time->tv_sec >= std::numeric_limits<int64_t>::max() / ns_per_second;
    const auto when = far ? nexus::Duration::max() - nexus::Duration(1)
                          : nexus::Duration(time->tv_sec * ns_per_second + time->tv_nsec);
    sleep_until(nexus::Instant(when));
    return 0;
}

unsigned sleep(unsigned seconds) {
    sleep_until(from_now(seconds, 0));
    return 0;
}

int usleep(useconds_t microseconds) {
    const auto us = static_cast<int64_t>(microseconds);
    sleep_until(from_now(us / 1'000'000, us % 1'000'000 * ns_per_us));
    return 0;
}

// Run time of the calling fiber in clock ticks; what other fibers of the cell used is not in it. The
// result, as POSIX leaves open, counts from reset.
clock_t times(tms* buffer) {
    const auto fiber = nexus::meta_fiber();
    if (!fiber || buffer == nullptr) {
        return static_cast<clock_t>(refuse(buffer == nullptr ? EFAULT : nexus::number(fiber.error())));
    }
    constexpr uint64_t ns_per_tick = ns_per_second / CLOCKS_PER_SEC;
    *buffer = {};
    buffer->tms_utime = static_cast<clock_t>(fiber->run_ns / ns_per_tick);
    return static_cast<clock_t>(nexus::now().time_since_epoch().count() / static_cast<int64_t>(ns_per_tick));
}

} // extern "C"
