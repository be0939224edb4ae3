// SPDX-License-Identifier: Apache-2.0
//
// Ways to go wrong, and numbers to choose among them: for programs that end again and again.
#pragma once

#include <cstddef>
#include <cstdint>

#include <nexus/call.h>

namespace test::ways {

// Of SplitMix64.
class Noise {
  public:
    explicit Noise(uint64_t seed) : state_(seed) {}
    uint64_t next() {
        uint64_t z = state_ += 0x9e37'79b9'7f4a'7c15;
        z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9;
        z = (z ^ z >> 27) * 0x94d0'49bb'1331'11eb;
        return z ^ z >> 31;
    }
    uint64_t below(uint64_t limit) { return next() % limit; }
    template <class T, size_t n>
    const T& one_of(const T (&all)[n]) {
        return all[below(n)];
    }

  private:
    uint64_t state_;
};

inline Noise noise{0}; // of this life
inline volatile uint64_t sink;

// An address that the compiler knows nothing of.
template <class T>
[[gnu::noinline]] T* hidden(uint64_t address) {
    static volatile uint64_t kept;
    kept = address;
    return reinterpret_cast<T*>(static_cast<uintptr_t>(kept));
}

inline void read_at(uint64_t address) {
    sink = *hidden<volatile uint8_t>(address);
}

// Each ends the cell.
inline void load() {
    read_at(noise.below(4096));
}
inline void store() {
    *hidden<volatile uint32_t>(reinterpret_cast<uintptr_t>(&load) & ~uintptr_t{3}) = 0;
}
inline void jump() {
    hidden<void()>(0)();
}
inline void illegal() {
    __builtin_trap();
}
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Winfinite-recursion" // it is the point
[[gnu::noinline]] inline uint64_t deeper(uint64_t depth) {
    volatile char frame[200];
    frame[0] = static_cast<char>(depth);
    return deeper(depth + 1) + static_cast<uint64_t>(frame[0]);
}
#pragma clang diagnostic pop
inline void overflow() {
    sink = deeper(0);
}
inline void hang() {
    for (;;) {
        sink = sink + 1;
    }
}
inline void leave() {
    (void)nexus::call::halt(3, RUMPK_SCOPE_CELL);
}

} // namespace test::ways
