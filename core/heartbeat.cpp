// SPDX-License-Identifier: Apache-2.0
#include "core/heartbeat.h"

#include <algorithm>

#include "core/boot_table.h"
#include "core/calls.h"
#include "core/cell.h"
#include "core/remote.h"
#include "core/scheduler.h"
#include "core/supervisor.h"

namespace rumpk {

namespace {

// Looks come no closer than a heartbeat's so manieth part: who was interrupted is given that much longer.
constexpr uint64_t finest = 8;

template <auto call>
struct Heard;

template <typename... Words, int64_t (*call)(Words...)>
struct Heard<call> {
    static int64_t made(Words... words) {
        if (Supervisor* const supervisor = this_scheduler().running()->cell->supervisor();
            supervisor != nullptr) {
            supervisor->note_call();
        }
        return call(words...);
    }
};

} // namespace

void hear_calls(const BootTable& table, uint64_t* calls) {
    bool any = false;
    for (uint32_t i = 0; i < table.cell_count(); ++i) {
        any |= table.supervisor(i).heartbeat_us != 0;
    }
    if (!any) {
        return;
    }
    const auto hear = [calls]<auto call>(rumpk_call_number which, Heard<call>) {
        calls[which] = reinterpret_cast<uintptr_t>(&Heard<call>::made);
    };
    hear(RUMPK_CALL_PLEDGE, Heard<rumpk_call_pledge>{});
    hear(RUMPK_CALL_UNVEIL, Heard<rumpk_call_unveil>{});
    hear(RUMPK_CALL_READ, Heard<rumpk_call_read>{});
    hear(RUMPK_CALL_WRITE, Heard<rumpk_call_write>{});
    hear(RUMPK_CALL_MAP, Heard<rumpk_call_map>{});
    hear(RUMPK_CALL_UNMAP, Heard<rumpk_call_unmap>{});
    hear(RUMPK_CALL_SPAWN, Heard<rumpk_call_spawn>{});
    hear(RUMPK_CALL_KILL, Heard<rumpk_call_kill>{});
    hear(RUMPK_CALL_YIELD, Heard<rumpk_call_yield>{});
    hear(RUMPK_CALL_TIME, Heard<rumpk_call_time>{});
    hear(RUMPK_CALL_RANDOM, Heard<rumpk_call_random>{});
    hear(RUMPK_CALL_HALT, Heard<rumpk_call_halt>{});
    hear(RUMPK_CALL_META, Heard<rumpk_call_meta>{});
}

void look_after_cells(Instant now) {
    Instant next = Instant::never();
    for (const Cell& cell : cells()) {
        if (Supervisor* const supervisor = cell.supervisor(); supervisor != nullptr) {
            next = std::min(next, supervisor->look(now));
        }
    }
    this_scheduler().watch_at(next);
}

void Supervisor::watch() {
    if (policy_.heartbeat_us == 0) {
        return;
    }
    this_scheduler().count_time();
    made_call_ = true; // its time begins with the first look
    next_look_ = Instant{machine().now()};
    look_after_cells(next_look_);
}

// Only who runs can hang, and run time is what counts: who was kept from the core had no time to call.
Instant Supervisor::look(Instant now) {
    if (now < next_look_ || next_look_ == Instant::never()) {
        return next_look_;
    }
    const Nanoseconds heartbeat{uint64_t{policy_.heartbeat_us} * 1000};
    Nanoseconds left = heartbeat;
    Fiber* const fiber = this_scheduler().running();
    if (fiber != nullptr && fiber->cell == cell_) {
        const uint64_t ran = this_scheduler().run_time(*fiber).value();
        if (made_call_ || fiber->id != looked_at_) {
            made_call_ = false;
            looked_at_ = fiber->id;
            had_run_ = ran;
        } else if (const uint64_t since = ran - had_run_; since < heartbeat.value()) {
            left = Nanoseconds{std::max(heartbeat.value() - since, heartbeat.value() / finest)};
        } else {
            next_look_ = Instant::never();
            faults_[this_scheduler().core().value()].fiber = fiber;
            end_with(*fiber, CellEnd::by_heartbeat);
            return next_look_;
        }
    }
    next_look_ = now + left;
    return next_look_;
}

} // namespace rumpk
