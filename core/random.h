// SPDX-License-Identifier: Apache-2.0
// The kernel's random numbers: ChaCha20 (RFC 8439) with fast key erasure. Each
// request makes a stream under the current key; its first 32 bytes become the
// next key before the rest leaves, so what is in memory later says nothing about
// numbers that were given out before.
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "core/result.h"

namespace rumpk {

// Each core has its own.
class Random {
  public:
    static constexpr size_t most_at_once = 224; // bytes a fill: what keeps a call short
    static constexpr size_t least_seed = 16;    // bytes below which it is no seed

    // Mixes entropy into the key. May come again.
    void seed(std::span<const std::byte> entropy);
    [[nodiscard]] bool seeded() const { return seeded_; }
    // At most most_at_once bytes. EAGAIN: never seeded.
    [[nodiscard]] Result<void> fill(std::span<std::byte> out);

  private:
    static constexpr size_t key_size = 32;
    std::array<std::byte, key_size> key_{};
    bool seeded_ = false;
};

} // namespace rumpk
