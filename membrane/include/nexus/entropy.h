// SPDX-License-Identifier: Apache-2.0
//
// What the driver of an entropy source (drivers/virtio-rng) and its client have agreed on: bytes as the
// device made them, for who wants more than `random`. Two channels of the image, "rng.ask" to the driver and
// "rng.bytes" back. An answer may come twice, where the driver began anew in between: `number` tells.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace nexus {

struct EntropyRequest {
    uint32_t number; // comes back in the answer
    uint32_t size;   // bytes that are wanted
};

struct EntropyAnswer {
    uint32_t number;
    uint32_t size; // bytes that came: one at least, as many as were wanted at most
    std::array<std::byte, 56> bytes;
};

} // namespace nexus
