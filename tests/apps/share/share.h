// SPDX-License-Identifier: Apache-2.0
//
// What the cells tell each other of the bytes that they share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <nexus/peer.h>

namespace share {

struct Seen {
    uint64_t base;
    uint64_t size;
    uint64_t sum; // of all bytes; or, of a question, whether they are to be written first
};

inline uint64_t sum_of(std::span<const std::byte> bytes) {
    uint64_t sum = 14695981039346656037U; // FNV-1a
    for (const std::byte byte : bytes) {
        sum = (sum ^ static_cast<uint64_t>(byte)) * 1099511628211U;
    }
    return sum;
}

inline Seen seen(std::span<const std::byte> bytes) {
    return {reinterpret_cast<uintptr_t>(bytes.data()), bytes.size(), sum_of(bytes)};
}

// Hides from the compiler where a pointer points.
template <class T>
[[gnu::noinline]] T* hidden(uint64_t address) {
    static volatile uint64_t place;
    place = address;
    return reinterpret_cast<T*>(static_cast<uintptr_t>(place));
}

} // namespace share
