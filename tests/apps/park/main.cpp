// SPDX-License-Identifier: Apache-2.0
//
// From a publish on one core to the first instruction of the fiber that has parked on another, by the cores'
// cycle counter, in nanoseconds: `./rumpk bench rings` runs it where the clock counts the instructions of all
// cores. And with the plugin of bench/meter, which counts from `park_publish` to `park_mark`.
#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include <nexus/ring.h>
#include <nexus/time.h>

#include "ion/ring.h"

namespace {

constexpr ion::Geometry geometry = ion::Geometry::of(8, 64);
constexpr size_t rounds = 1000;

alignas(64) std::array<std::byte, geometry.bytes()> memory;
std::array<uint64_t, rounds> samples;
uint64_t producer = 0;

using Out = ion::BasicProducer<nexus::AcrossCores>;

} // namespace

extern "C" [[gnu::noinline]] bool park_publish(Out& out, uint64_t& when) {
    when = __builtin_readcyclecounter();
    return out.publish(0, sizeof when).has_value() && out.peer_waiting();
}

extern "C" [[gnu::noinline]] uint64_t park_mark() {
    return __builtin_readcyclecounter();
}

namespace {

// Parks for each message, and says when it went on. [bare]
void consume(uint64_t) {
    ion::BasicConsumer<nexus::AcrossCores> in(memory.data(), geometry);
    for (uint64_t& sample : samples) {
        auto message = in.peek();
        while (!message) {
            in.arm();
            message = in.peek();
            if (!message) {
                in.count_wait();
                (void)nexus::call::raw(RUMPK_CALL_YIELD, RUMPK_CHANNEL_RX, 0, RUMPK_NEVER);
                sample = park_mark();
                message = in.peek();
            }
            in.disarm();
        }
        sample -= *reinterpret_cast<const uint64_t*>(message->payload.data());
        (void)in.release();
        (void)nexus::call::yield(0, 0, 0, RUMPK_YIELD_NOWAIT, std::span(&producer, 1));
    }
}

} // namespace

int main() {
    producer = std::to_underlying(nexus::self());
    if (!ion::format(memory, geometry)) {
        return 1;
    }
    Out out(memory.data(), geometry);
    const auto consumer = nexus::spawn(consume, 0, {.core = 1, .bare = true});
    if (!consumer) {
        return 2;
    }
    const uint64_t peer = std::to_underlying(*consumer);
    const nexus::Instant begun = nexus::now();
    const uint64_t begun_count = __builtin_readcyclecounter();
    for (size_t i = 0; i < rounds; ++i) {
        nexus::sleep_for(std::chrono::milliseconds(1)); // it has parked by now
        const auto slot = out.claim();
        if (!park_publish(out, *reinterpret_cast<uint64_t*>(slot->payload.data()))) {
            return 3;
        }
        out.count_bell();
        // Rings and waits for the answer, in one call.
        (void)nexus::call::raw(RUMPK_CALL_YIELD, RUMPK_CHANNEL_RX, 0, RUMPK_NEVER, 0,
                               nexus::call::address(&peer), 1);
    }
    // What is counted is the processor's choice: cycles, or ticks of its timer.
    const uint64_t counted = __builtin_readcyclecounter() - begun_count;
    const uint64_t each = (static_cast<uint64_t>((nexus::now() - begun).count()) + counted / 2) / counted;
    uint64_t sum = 0;
    for (uint64_t& sample : samples) {
        sample *= each;
        sum += sample;
    }
    std::ranges::sort(samples);
    std::printf("%llu.%02llu %llu %llu\n", static_cast<unsigned long long>(sum / rounds),
                static_cast<unsigned long long>(sum % rounds * 100 / rounds),
                static_cast<unsigned long long>(samples[rounds / 2]),
                static_cast<unsigned long long>(samples[rounds - 1]));
    return 0;
}
