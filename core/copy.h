// SPDX-License-Identifier: Apache-2.0
// Copies of what others wrote: arguments of a call, fields of an image. Copied out once and whole, so
// that nothing changes between the check and the use.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace rumpk {

// Never inlined: the compiler would read the source, which may lie at any alignment, field by field and
// each field byte by byte, 1,400 bytes in all.
[[gnu::noinline]] inline void copy_bytes(void* to, const void* from, size_t size) {
    __builtin_memcpy(to, from, size);
}

// The same where both lie at a multiple of eight, and so does the size, which the compiler knows: a load and
// a store a word, in place. Each word is read once, whoever writes it meanwhile.
[[gnu::always_inline]] inline void copy_words(void* to, const void* from, size_t size) {
    auto* const in = static_cast<uint64_t*>(const_cast<void*>(from));
#pragma clang loop unroll(full)
    for (size_t i = 0; i < size / sizeof(uint64_t); ++i) {
        const uint64_t word = std::atomic_ref(in[i]).load(std::memory_order_relaxed);
        void* const place = static_cast<std::byte*>(to) + i * sizeof word;
        __builtin_memcpy(__builtin_assume_aligned(place, alignof(uint64_t)), &word, sizeof word);
    }
}

} // namespace rumpk
