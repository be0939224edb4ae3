// SPDX-License-Identifier: Apache-2.0
#include "core/random.h"

#include <algorithm>
#include <cstdint>
#include <functional>

// BearSSL's constant-time ChaCha20: encrypts `data` in place, returns the next block counter.
extern "C" uint32_t br_chacha20_ct_run(const void* key, const void* nonce, uint32_t counter, void* data,
                                       size_t size);

namespace rumpk {

namespace {
// The key is never used twice, so the nonce may stay.
constexpr std::array<std::byte, 12> nonce{};
} // namespace

void Random::seed(std::span<const std::byte> entropy) {
    if (entropy.size() < least_seed) {
        return;
    }
    for (size_t at = 0; at < entropy.size(); at += key_size) {
        const auto piece = entropy.subspan(at, std::min(key_size, entropy.size() - at));
        std::ranges::transform(piece, key_, key_.begin(), std::bit_xor{});
        (void)br_chacha20_ct_run(key_.data(), nonce.data(), 0, key_.data(), key_size);
    }
    seeded_ = true;
}

Result<void> Random::fill(std::span<std::byte> out) {
    if (!seeded_) {
        return error(Errno::again);
    }
    std::array<std::byte, key_size + most_at_once> stream{};
    const size_t length = std::min(out.size(), most_at_once);
    (void)br_chacha20_ct_run(key_.data(), nonce.data(), 0, stream.data(), key_size + length);
    std::copy_n(stream.begin(), key_size, key_.begin());
    std::copy_n(stream.begin() + key_size, length, out.begin());
    std::ranges::fill(stream, std::byte{0});
    return {};
}

} // namespace rumpk
