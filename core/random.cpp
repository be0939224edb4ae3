// SPDX-License-Identifier: Apache-2.0
#include "core/random.h"

#include <algorithm>
#include <atomic>
#include <functional>

#include "core/machine.h"

// BearSSL's constant-time ChaCha20: encrypts `data` in place, returns the next block counter.
extern "C" uint32_t br_chacha20_ct_run(const void* key, const void* nonce, uint32_t counter, void* data,
                                       size_t size);

namespace rumpk {

namespace {
// No key is used twice, so the nonce may stay.
constexpr std::array<std::byte, 12> nonce{};

// Encrypting zeros is the stream itself.
void stream(const void* key, void* out, size_t size) {
    __builtin_memset(out, 0, size);
    (void)br_chacha20_ct_run(key, nonce.data(), 0, out, size);
}
} // namespace

void Random::seed(std::span<const std::byte> entropy) {
    if (entropy.size() < least_seed) {
        return;
    }
    auto& key = key_.bytes;
    for (size_t at = 0; at < entropy.size(); at += key.size()) {
        const auto piece = entropy.subspan(at, std::min(key.size(), entropy.size() - at));
        std::ranges::transform(piece, key, key.begin(), std::bit_xor{});
        (void)br_chacha20_ct_run(key.data(), nonce.data(), 0, key.data(), key.size());
    }
    seeded_ = true;
}

// The next block is made under the changed key, and only then is a part of it given out: so there is nothing
// to be made here, where interrupts are masked.
void Random::mix(std::span<const std::byte, 32> entropy) {
    std::ranges::transform(entropy, key_.bytes, key_.bytes.begin(), std::bit_xor{});
    ++drawn_;
    seeded_ = true;
}

// A block takes thousands of instructions, so it is made unmasked, from a copy of the
// key. If the key is another one afterwards, a fiber of a higher tier came in between
// and has the numbers that this copy gives: again, with the new one. It ends, for only
// what runs before this fiber delays it.
Result<void> Random::draw(Block& block) {
    for (;;) {
        Key key;
        uint64_t drawn = 0;
        {
            const InterruptsMasked masked;
            if (!seeded_) {
                return error(Errno::again);
            }
            key = key_;
            drawn = drawn_;
        }
        stream(&key, &block, sizeof block);
        const InterruptsMasked masked;
        if (drawn_ == drawn) {
            key_ = block.next;
            ++drawn_;
            return {};
        }
    }
}

Result<void> Random::fill(std::span<std::byte> out) {
    Block block;
    if (auto drawn = draw(block); !drawn) {
        return drawn;
    }
    if (out.size() <= sizeof block.rest) {
        std::copy_n(block.rest.bytes.begin(), out.size(), out.begin());
    } else {
        stream(&block.rest, out.data(), out.size()); // a key for this request alone
    }
    __builtin_memset(&block, 0, sizeof block);
    std::atomic_signal_fence(std::memory_order_seq_cst); // else the compiler drops what nobody reads
    return {};
}

} // namespace rumpk
