// SPDX-License-Identifier: Apache-2.0
//
// Numbers for property tests. Every run draws new ones and says from which seed;
// RUMPK_SEED=<n> in the environment runs that seed again.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>

namespace core_test {

inline uint64_t fresh_seed() {
    const char* const wanted = std::getenv("RUMPK_SEED");
    return wanted != nullptr ? std::strtoull(wanted, nullptr, 0) : std::random_device{}();
}

class Random {
  public:
    explicit Random(uint64_t seed) : engine_(seed) {}
    // 0..limit-1
    uint64_t below(uint64_t limit) { return engine_() % limit; }
    // Of a length drawn first, so that small and large ones are equally likely. Up to `bits` bits.
    uint64_t of_any_length(unsigned bits) { return engine_() & ((1ULL << below(bits + 1)) - 1); }
    bool one_in(uint64_t n) { return below(n) == 0; }

  private:
    std::mt19937_64 engine_;
};

} // namespace core_test
