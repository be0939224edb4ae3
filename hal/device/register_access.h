// SPDX-License-Identifier: Apache-2.0
//
// How drivers reach registers: an architecture brings one that touches the
// device, the unit tests one that plays it.
#pragma once

#include <concepts>
#include <cstdint>

namespace rumpk::hal {

template <typename Access>
concept RegisterAccess = requires(uint64_t address, uint8_t byte, uint32_t word) {
    { Access::read8(address) } -> std::same_as<uint8_t>;
    { Access::read32(address) } -> std::same_as<uint32_t>;
    { Access::write8(address, byte) } -> std::same_as<void>;
    { Access::write32(address, word) } -> std::same_as<void>;
};

} // namespace rumpk::hal
