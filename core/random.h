// SPDX-License-Identifier: Apache-2.0
// The kernel's random numbers: ChaCha20 (RFC 8439) with fast key erasure. Each
// request makes a block under the current key; its first half becomes the next
// key before the rest is used, so what is in memory later says nothing about
// numbers that were given out before.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/result.h"

namespace rumpk {

// Each core has its own.
class Random {
  public:
    static constexpr size_t least_seed = 16; // bytes below which it is no seed

    // Mixes entropy into the key. May come again. [boot]
    void seed(std::span<const std::byte> entropy);
    // Masked, on its core. The same of a whole key's worth while requests are under way: whoever knows only
    // the key, or only what is mixed in, does not know the next one.
    void mix(std::span<const std::byte, 32> entropy);
    [[nodiscard]] bool seeded() const { return seeded_; }
    // On its core, from any fiber: it masks for moments, and a fiber that it finds in
    // its way when it goes on has used the key before it. EAGAIN: never seeded.
    [[nodiscard]] Result<void> fill(std::span<std::byte> out);

  private:
    struct alignas(uint64_t) Key {
        std::array<std::byte, 32> bytes{};
    };
    // A block of ChaCha20.
    struct Block {
        Key next;
        Key rest;
    };
    [[nodiscard]] Result<void> draw(Block& block);

    // Touched masked.
    Key key_{};
    uint64_t drawn_ = 0; // how often the key was replaced
    bool seeded_ = false;
};

} // namespace rumpk
