// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "core/boot_table.h"

namespace rumpk {

// Four bits at a time: 64 bytes of table instead of 1,024, for a sum over a few
// KiB once a boot.
uint32_t crc32(std::span<const std::byte> bytes) {
    static constexpr auto table = [] {
        std::array<uint32_t, 16> made{};
        for (uint32_t i = 0; i < made.size(); ++i) {
            uint32_t value = i;
            for (int bit = 0; bit < 4; ++bit) {
                value = (value >> 1) ^ ((value & 1) != 0 ? 0xEDB88320U : 0);
            }
            made[i] = value;
        }
        return made;
    }();
    uint32_t sum = ~0U;
    for (const std::byte byte : bytes) {
        sum ^= static_cast<uint32_t>(byte);
        sum = (sum >> 4) ^ table[sum & 0xf];
        sum = (sum >> 4) ^ table[sum & 0xf];
    }
    return ~sum;
}

} // namespace rumpk
