// SPDX-License-Identifier: Apache-2.0
// One core's flight recorder: what it did lately, 16 bytes an event, the newest
// overwriting the oldest. It has memory only if the boot option rumpk.trace asks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "abi/telemetry.h"

namespace rumpk {

class Trace {
  public:
    // Before the first event. A power of two of events.
    void prepare(std::span<rumpk_trace_event> storage) {
        events_ = storage.data();
        last_ = storage.size() - 1;
    }

    // Masked, on the core itself.
    [[gnu::noinline]] void record(const rumpk_trace_event& event); // called from where code is dear

    // Events since boot. Of the size of kept(), the last ones are there, each at its
    // number since boot modulo that size.
    [[nodiscard]] uint64_t recorded() const { return recorded_; }
    // By the core itself, or once it has stopped.
    [[nodiscard]] std::span<const rumpk_trace_event> kept() const {
        return {events_, std::min(recorded_, last_ + 1)};
    }

  private:
    rumpk_trace_event* events_ = nullptr;
    uint64_t last_ = 0; // place
    uint64_t recorded_ = 0;
};

// The machine ends: sends all cores' events and the fibers that they name, if
// events are recorded. Nobody else may run any more.
void send_traces();

} // namespace rumpk
