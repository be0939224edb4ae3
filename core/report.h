// SPDX-License-Identifier: Apache-2.0
// The answer to somebody outside who asks what the fibers do: messages of
// abi/telemetry.h, made one at a time, so that no step is long.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "abi/telemetry.h"

namespace rumpk {

class Report {
  public:
    // with_ended: the last fiber of each control block, too, though it has ended.
    void begin(bool with_ended) {
        next_ = 0;
        with_ended_ = with_ended;
    }
    // The next message, valid until the one after it; empty: there is none. On the
    // boot core, which is every cell's home, or when all else has stopped.
    [[nodiscard]] std::span<const std::byte> next();

  private:
    struct Message {
        rumpk_telemetry header{};
        union {
            rumpk_meta_system system{};
            rumpk_telemetry_fiber fiber;
        };
    };
    std::span<const std::byte> message(rumpk_telemetry_kind kind, uint32_t length);

    uint32_t next_ = done; // 0: the system's, then the fibers by place, then the end
    bool with_ended_ = false;
    Message message_;

    static constexpr uint32_t done = ~0U;
};

// What trace events call a fiber; 0: nobody.
[[nodiscard]] inline uint32_t trace_number(const void* fiber) {
    return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(fiber));
}

} // namespace rumpk
