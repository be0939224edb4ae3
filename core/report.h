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
        next_ = system;
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
    std::span<const std::byte> next_cell();

    // What comes next: nothing, the system's, then the fibers by place, then the end. Nothing is 0, so
    // that a report that nobody asks for takes no byte of the image.
    static constexpr uint32_t done = 0;
    static constexpr uint32_t system = 1;
    static constexpr uint32_t first_fiber = 2;
    uint32_t next_ = done;
    bool with_ended_ = false;
    uint16_t next_cell_ = 0; // by place; before the fibers, once the system's has been sent
    Message message_;
};

// What trace events call a fiber; 0: nobody.
[[nodiscard]] inline uint32_t trace_number(const void* fiber) {
    return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(fiber));
}

} // namespace rumpk
