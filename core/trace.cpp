// SPDX-License-Identifier: Apache-2.0
#include "core/trace.h"

#include "core/console.h"
#include "core/report.h"
#include "core/scheduler.h"
#include "core/system.h"

namespace rumpk {

namespace {

void put(std::span<const std::byte> bytes) {
    console().put(HAL_CONSOLE_TELEMETRY, bytes);
}

void send(const Scheduler& scheduler) {
    const std::span kept = scheduler.trace().kept();
    const struct {
        rumpk_telemetry header;
        rumpk_telemetry_trace body;
    } message{.header = {.kind = RUMPK_TELEMETRY_TRACE,
                         .length = static_cast<uint32_t>(sizeof message.body + kept.size_bytes())},
              .body = {.core = scheduler.core().value(),
                       .sender = &scheduler == machine().core_local() ? 1U : 0U,
                       .recorded = scheduler.trace().recorded(),
                       .raw = machine().ticks(),
                       .ns = machine().now(),
                       .unit_ns = machine().ticks_ns(uint64_t{1} << 32)}};
    put(std::as_bytes(std::span(&message, 1)));
    put(std::as_bytes(kept));
}

} // namespace

void send_traces() {
    if (!boot_options().traces() || !console().attached()) {
        return;
    }
    for (uint32_t core = 0; core < machine().boot->cores; ++core) {
        if (const Scheduler* const scheduler = scheduler_of(CoreId{core}); scheduler != nullptr) {
            send(*scheduler);
        }
    }
    Report report;
    report.begin(true);
    for (auto message = report.next(); !message.empty(); message = report.next()) {
        put(message);
    }
}

} // namespace rumpk
