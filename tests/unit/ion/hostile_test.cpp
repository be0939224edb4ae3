// SPDX-License-Identifier: Apache-2.0
//
// Every word of the ring changes before every access, by a seeded generator: no end reads or writes
// beyond the ring, goes round in circles, or believes what cannot be.
#include <gtest/gtest.h>

#include "tests/unit/ion/hostile.h"

namespace {

using ion::Geometry;
using ion_test::Victim;

class Seeded : public ion_test::Source {
  public:
    explicit Seeded(uint64_t seed) : state_(seed) {}
    uint64_t next(unsigned bytes) override {
        uint64_t x = state_ += 0x9e3779b97f4a7c15ull;
        x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
        x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
        x ^= x >> 31;
        return bytes == 8 ? x : x & ((1ull << (8 * bytes)) - 1);
    }
    bool used_up() override { return false; }

  private:
    uint64_t state_;
};

constexpr Geometry geometries[] = {Geometry::of(1, 32), Geometry::of(2, 48), Geometry::of(8, 64),
                                   Geometry::of(64, 80), Geometry::of(4, 4096)};

void attack(Victim::Outcome (Victim::*run)(unsigned)) {
    Victim::Outcome all;
    for (uint64_t seed = 1; seed <= 400; ++seed) {
        for (const Geometry geometry : geometries) {
            SCOPED_TRACE(testing::Message() << "seed " << seed << ", " << geometry.slots() << " slots");
            Seeded source(seed);
            Victim victim(geometry, source);
            const Victim::Outcome one = (victim.*run)(300);
            all.calls += one.calls;
            all.results += one.results;
            all.broken += one.broken;
            all.closed += one.closed;
        }
    }
    // The attack is one: it gets through to payloads, it gets caught, and neither always.
    EXPECT_GT(all.results, all.calls / 10);
    EXPECT_GT(all.broken, all.calls / 200);
    EXPECT_GT(all.closed, 100u);
    std::printf("%llu calls, %llu payloads, %llu lies caught\n", static_cast<unsigned long long>(all.calls),
                static_cast<unsigned long long>(all.results), static_cast<unsigned long long>(all.broken));
}

TEST(Hostile, ProducerAgainstAnyMemory) {
    attack(&Victim::produce<ion_test::HookedProducer>);
}

TEST(Hostile, ConsumerAgainstAnyMemory) {
    attack(&Victim::consume<ion_test::HookedConsumer>);
}

TEST(Hostile, ProducerAcrossCores) {
    attack(&Victim::produce<ion_test::HookedAcrossProducer>);
}

TEST(Hostile, ConsumerAcrossCores) {
    attack(&Victim::consume<ion_test::HookedAcrossConsumer>);
}

} // namespace
