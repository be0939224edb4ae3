// SPDX-License-Identifier: Apache-2.0
//
// Random bytes from the kernel's cryptographic generator, seeded by the machine.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

#include "nexus/call.h"

namespace nexus {

// Fills the buffer, however long. EAGAIN: the machine gave no entropy to start from; nothing is
// written then.
[[nodiscard]] inline Result<void> random(std::span<std::byte> buffer) {
    while (!buffer.empty()) {
        const auto part = buffer.first(buffer.size() < RUMPK_IO_MAX ? buffer.size() : RUMPK_IO_MAX);
        if (const auto drawn = call::random(part); !drawn) {
            return drawn;
        }
        buffer = buffer.subspan(part.size());
    }
    return {};
}

// One random number over the type's whole range. Errors as above.
template <std::unsigned_integral T>
[[nodiscard]] Result<T> random() {
    T value{};
    if (const auto drawn = call::random(std::as_writable_bytes(std::span(&value, 1))); !drawn) {
        return error(drawn.error());
    }
    return value;
}

} // namespace nexus
