// SPDX-License-Identifier: Apache-2.0
//
// Messages between two cores over nexus::ring, as applications have it: the first fiber asks, one on another
// core answers. Between them, in turns with the messages, a bare cache line goes there and back: what two
// processors of a virtual machine need for that changes while it runs.
#include <algorithm>
#include <array>
#include <atomic>

#include <nexus/fiber.h>
#include <nexus/ring.h>

#include "bench/fibers/bench.h"
#include "ion/ring.h"

namespace {

struct Message {
    uint64_t words[6]; // with the slot's header a cache line
};
using Ring = nexus::ring<Message, nexus::AcrossCores>;
constexpr ion::Geometry geometry = ion::Geometry::of(8, ion::Geometry::slot_for(sizeof(Message)));

constexpr uint32_t slices = 31;
constexpr uint64_t line_trips = 2'000;

// Of both fibers. What the kernel looks at (ids to ring) is on their stacks, in the cell.
struct Shared {
    alignas(64) std::byte there[geometry.bytes()];
    alignas(64) std::byte back[geometry.bytes()];
    alignas(128) std::atomic<uint64_t> ping;
    alignas(128) std::atomic<uint64_t> pong;
    alignas(128) uint64_t trips; // a slice
    bool parks;
    uint64_t asker;
    std::atomic<bool> over;
};
Shared shared;

[[nodiscard]] rumpk_ring_descriptor descriptor(std::byte* memory) {
    return {reinterpret_cast<uintptr_t>(memory), geometry.slots(), geometry.slot_size()};
}

[[nodiscard]] nexus::RingBell rings(uint64_t fiber) {
    return {RUMPK_CHANNEL_RX, 0, fiber};
}

[[nodiscard]] Message take(Ring::receiver& in) {
    if (shared.parks) {
        return *in.receive();
    }
    auto message = in.try_receive();
    while (!message) {
        message = in.try_receive();
    }
    return *message;
}

void wait_for(const std::atomic<uint64_t>& word, uint64_t value) {
    while (word.load(std::memory_order_acquire) != value) {
    }
}

void answers(uint64_t) {
    auto in = *Ring::receiver::open(descriptor(shared.there), rings(shared.asker));
    auto out = *Ring::sender::open(descriptor(shared.back), rings(shared.asker));
    for (uint64_t slice = 0; slice < slices; ++slice) {
        for (uint64_t i = 1; i <= line_trips; ++i) {
            wait_for(shared.ping, slice * line_trips + i);
            shared.pong.store(slice * line_trips + i, std::memory_order_release);
        }
        for (uint64_t i = 0; i < shared.trips; ++i) {
            Message message = take(in);
            ++message.words[0];
            (void)out.send(message);
        }
    }
    const uint64_t asker = shared.asker;
    shared.over.store(true, std::memory_order_release);
    (void)nexus::call::yield(0, 0, 0, RUMPK_YIELD_NOWAIT, std::span(&asker, 1));
}

double line_slice(uint64_t slice) {
    const uint64_t begun = bench_clock();
    for (uint64_t i = 1; i <= line_trips; ++i) {
        shared.ping.store(slice * line_trips + i, std::memory_order_release);
        wait_for(shared.pong, slice * line_trips + i);
    }
    return static_cast<double>(bench_clock() - begun) / line_trips;
}

double message_slice(Ring::sender& out, Ring::receiver& in) {
    const uint64_t begun = bench_clock();
    Message message{};
    for (uint64_t i = 0; i < shared.trips; ++i) {
        message.words[0] = i;
        (void)out.send(message);
        message = take(in);
        if (message.words[0] != i + 1) {
            __builtin_trap();
        }
    }
    return static_cast<double>(bench_clock() - begun) / static_cast<double>(shared.trips);
}

double median(std::array<double, slices>& values) {
    std::ranges::sort(values, [](double a, double b) { return a < b; });
    return values[slices / 2];
}

} // namespace

message_figures ours_message(uint64_t trips, int parks) {
    shared.ping = shared.pong = 0;
    shared.trips = trips;
    shared.parks = parks != 0;
    shared.over = false;
    shared.asker = static_cast<uint64_t>(nexus::self());
    if (!ion::format(shared.there, geometry) || !ion::format(shared.back, geometry)) {
        return {};
    }
    bench_entry entry{answers, 0};
    const auto other =
        nexus::spawn(ours_entry(), reinterpret_cast<uintptr_t>(&entry), {.core = 1, .bare = true});
    if (!other) {
        return {};
    }
    const auto peer = static_cast<uint64_t>(*other);
    auto out = *Ring::sender::open(descriptor(shared.there), rings(peer));
    auto in = *Ring::receiver::open(descriptor(shared.back), rings(peer));
    std::array<double, slices> messages{};
    std::array<double, slices> lines{};
    for (uint64_t slice = 0; slice < slices; ++slice) {
        lines[slice] = line_slice(slice);
        messages[slice] = message_slice(out, in);
    }
    while (!shared.over.load(std::memory_order_acquire)) {
        (void)nexus::call::yield(RUMPK_CHANNEL_RX, 0, RUMPK_NEVER, 0);
    }
    return {median(messages), median(lines)};
}
