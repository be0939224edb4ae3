// SPDX-License-Identifier: Apache-2.0
//
// A fiber that never yields is overtaken by a Photon fiber whenever that fiber's deadline comes, and finds
// all its registers, floating point included, as they were.
#include <array>
#include <atomic>

#include <nexus/fiber.h>
#include <nexus/meta.h>

#include "tests/apps/check.h"

namespace {

constexpr uint32_t interruptions = 50;
constexpr auto limit = std::chrono::seconds(20);

std::atomic<uint32_t> wakes{0};
std::atomic<double> sink{0};

// Sums that depend on every step, with as many values alive at once as there are registers: a register that
// changes on the way changes the result.
template <class T>
[[gnu::noinline]] T churn(T seed) {
    std::array<T, 24> values;
    for (size_t i = 0; i < values.size(); ++i) {
        values[i] = seed + static_cast<T>(i);
    }
    for (int round = 0; round < 2000; ++round) {
#pragma clang loop unroll(full)
        for (size_t i = 0; i < values.size(); ++i) {
            values[i] = values[(i + 7) % values.size()] * static_cast<T>(3) / static_cast<T>(4) +
                        static_cast<T>(i + 1);
        }
    }
    T sum = 0;
    for (const T value : values) {
        sum += value;
    }
    return sum;
}

void photon() {
    while (wakes.load(std::memory_order_relaxed) < interruptions) {
        nexus::sleep_for(std::chrono::milliseconds(1));
        sink.store(churn<double>(wakes.load(std::memory_order_relaxed)), std::memory_order_relaxed);
        wakes.fetch_add(1, std::memory_order_relaxed);
    }
}

} // namespace

int main() {
    const double wanted_real = churn<double>(1.5);
    const uint64_t wanted_whole = churn<uint64_t>(15);
    auto fiber = nexus::spawn(photon, {.name = "photon", .tier = nexus::Tier::photon, .bare = true});
    if (!test::check("a photon fiber", fiber.has_value())) {
        return 1;
    }
    const nexus::Instant end = nexus::now() + limit;
    uint64_t rounds = 0;
    uint64_t wrong = 0;
    while (wakes.load(std::memory_order_relaxed) < interruptions && nexus::now() < end) {
        wrong += churn<double>(1.5) != wanted_real;
        wrong += churn<uint64_t>(15) != wanted_whole;
        ++rounds;
    }
    test::equal("the photon fiber ran", wakes.load(), interruptions);
    test::equal("no register was changed", static_cast<long long>(wrong), 0);
    test::check("the spinner spun", rounds > 0);
    const auto system = nexus::meta_system();
    // Not each time: a sleep is over before it begins where the host of an emulator was busy elsewhere.
    test::check("it was preempted", system && system->preemptions >= interruptions / 2);
    return test::result();
}
