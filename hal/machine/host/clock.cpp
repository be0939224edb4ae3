// SPDX-License-Identifier: Apache-2.0
#include "hal/machine/host/clock.h"

namespace rumpk::hal {
namespace {

constexpr uint64_t second = 1'000'000'000;

constinit uint64_t start_time = 0; // CLOCK_MONOTONIC at reset
constinit int64_t wall_offset = 0;

uint64_t read_clock(clockid_t clock) {
    struct timespec time = {};
    clock_gettime(clock, &time);
    return static_cast<uint64_t>(time.tv_sec) * second + static_cast<uint64_t>(time.tv_nsec);
}

// Arms the kernel's timer for that time since reset; RUMPK_NEVER takes it away. No system
// call if it stands there already.
void arm(Core& core, uint64_t when) {
    if (core.armed == when) {
        return;
    }
    core.armed = when;
    struct itimerspec setting = {};
    if (when != RUMPK_NEVER) {
        uint64_t absolute = start_time + when;
        absolute = absolute < when ? RUMPK_NEVER : absolute;
        setting.it_value.tv_sec = static_cast<time_t>(absolute / second);
        setting.it_value.tv_nsec = static_cast<long>(absolute % second);
    }
    timer_settime(core.timer, TIMER_ABSTIME, &setting, nullptr);
}

} // namespace

void clock_start() {
    start_time = read_clock(CLOCK_MONOTONIC);
    wall_offset = static_cast<int64_t>(read_clock(CLOCK_REALTIME));
}

int64_t clock_wall_offset() {
    return wall_offset;
}

uint64_t now() {
    return read_clock(CLOCK_MONOTONIC) - start_time;
}

void timer_set(uint64_t when) {
    Core& core = this_core;
    core.deadline = when;
    core.pending.fetch_and(~pending_timer, std::memory_order_relaxed);
    if (when == RUMPK_NEVER || when > now()) {
        arm(core, when);
    } else {
        // In the past: it is pending at once, and taken when the caller unmasks.
        arm(core, RUMPK_NEVER);
        core.pending.fetch_or(pending_timer, std::memory_order_relaxed);
    }
}

bool timer_expired(Core& core) {
    if (now() >= core.deadline) { // which never is for RUMPK_NEVER
        core.deadline = RUMPK_NEVER;
        core.armed = RUMPK_NEVER; // one shot
        return true;
    }
    // A signal of an earlier setting. The kernel's timer may also be the one that has fired, a
    // clock tick early: arming it anew is right in both cases.
    core.armed = RUMPK_NEVER;
    arm(core, core.deadline);
    return false;
}

} // namespace rumpk::hal
