// SPDX-License-Identifier: Apache-2.0
//
// What a core writes down of itself, where its image traces.
#include <algorithm>

#include "core/report.h"
#include "core/scheduler.h"

namespace rumpk {

void Scheduler::start_trace(std::span<rumpk_trace_event> storage) {
    trace_.prepare(storage);
    attend(Attention::tracing);
}

void Trace::record(const rumpk_trace_event& event) {
    events_[recorded_ & last_] = event;
    ++recorded_;
}

void Scheduler::record(rumpk_trace_kind kind, const Fiber* fiber, uint32_t detail, uint64_t value) {
    constexpr uint64_t most = 0xffff;
    trace_.record({.raw = machine().ticks(),
                   .fiber = trace_number(fiber),
                   .value = static_cast<uint16_t>(std::min(value, most)),
                   .detail = static_cast<uint8_t>(detail),
                   .kind = static_cast<uint8_t>(kind)});
}

} // namespace rumpk
