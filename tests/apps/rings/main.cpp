// SPDX-License-Identifier: Apache-2.0
//
// Rings between all cores of the machine at once, from each to the next and on one core to itself: of one
// slot, where both sides park for every message, and of several, where they look and give up turns first,
// send and take in batches, and sleep in between. Every message comes once, in order and whole, and nobody
// sleeps through a bell. An argument says how many messages each ring carries.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <utility>

#include <nexus/fiber.h>
#include <nexus/meta.h>
#include <nexus/ring.h>

#include "ion/ring.h"
#include "tests/apps/check.h"

namespace {

struct Message {
    uint64_t number;
    uint64_t check; // ~number, of this lane
};
using Ring = nexus::ring<Message, nexus::AcrossCores>;

constexpr uint32_t most_cores = 4;
constexpr uint32_t most_slots = 8;
constexpr ion::Geometry largest = ion::Geometry::of(most_slots, 32);

enum class Kind : uint8_t { hammer, stream }; // one slot; several
constexpr std::array kinds{Kind::hammer, Kind::stream};

// A ring and the two fibers at its ends, which write nothing else that they share.
struct Lane {
    alignas(64) std::byte memory[largest.bytes()];
    // More than a page of the pool: a kernel under a sanitizer takes that for a call.
    alignas(16) std::array<std::byte, 16384> sender_stack, receiver_stack;
    Kind kind;
    uint64_t messages;
    uint64_t sender, receiver; // ids
    std::atomic<uint64_t> received;
    std::atomic<uint32_t> wrong;
    std::atomic<uint32_t> ended; // of the two

    [[nodiscard]] rumpk_ring_descriptor descriptor() {
        return {reinterpret_cast<uintptr_t>(memory), kind == Kind::hammer ? 1 : most_slots, 32};
    }
    [[nodiscard]] nexus::RingPatience patience() const {
        return kind == Kind::hammer ? nexus::RingPatience{} : nexus::RingPatience{.looks = 8, .turns = 2};
    }
    [[nodiscard]] Message message(uint64_t number) const {
        return {number, ~number ^ reinterpret_cast<uintptr_t>(memory)};
    }
};

std::array<Lane, most_cores * kinds.size()> lanes;
std::atomic<bool> go;

void wait_for_go() {
    while (!go.load(std::memory_order_acquire)) {
        nexus::yield();
    }
}

void send(uint64_t argument) {
    auto& lane = *reinterpret_cast<Lane*>(argument);
    wait_for_go();
    auto out = *Ring::sender::open(lane.descriptor(), {RUMPK_CHANNEL_RX, 0, lane.receiver}, lane.patience());
    for (uint64_t number = 0; number < lane.messages; ++number) {
        if (!out.send(lane.message(number))) {
            lane.wrong.fetch_add(1);
            break;
        }
        if (lane.kind == Kind::stream && number % 61 == 60) {
            nexus::sleep_for(std::chrono::microseconds(number % 40));
        }
    }
    out.close();
    lane.ended.fetch_add(1);
}

void receive(uint64_t argument) {
    auto& lane = *reinterpret_cast<Lane*>(argument);
    wait_for_go();
    auto in = *Ring::receiver::open(lane.descriptor(), {RUMPK_CHANNEL_RX, 0, lane.sender}, lane.patience());
    std::array<Message, 3> some{};
    uint64_t next = 0;
    while (auto messages =
               in.receive_some(std::span(some).first(lane.kind == Kind::hammer ? 1 : some.size()))) {
        for (const Message& each : *messages) {
            const Message due = lane.message(next++);
            lane.wrong.fetch_add(each.number != due.number || each.check != due.check);
        }
        lane.received.store(next, std::memory_order_relaxed);
        if (lane.kind == Kind::stream && next % 47 == 0) {
            nexus::sleep_for(std::chrono::microseconds(next % 30));
        }
    }
    lane.ended.fetch_add(1);
}

bool begin(Lane& lane, Kind kind, uint32_t from, uint32_t to, uint64_t messages) {
    lane.kind = kind;
    lane.messages = messages;
    const auto geometry = ion::Geometry::make(lane.descriptor().slots, lane.descriptor().slot_size);
    if (!ion::format({lane.memory, geometry->bytes()}, *geometry)) {
        return false;
    }
    const auto argument = reinterpret_cast<uintptr_t>(&lane);
    const auto receiver = nexus::spawn(
        receive, argument, {.name = "receiver", .core = to, .stack = lane.receiver_stack, .bare = true});
    const auto sender = nexus::spawn(
        send, argument, {.name = "sender", .core = from, .stack = lane.sender_stack, .bare = true});
    if (!receiver || !sender) {
        return false;
    }
    lane.receiver = std::to_underlying(*receiver);
    lane.sender = std::to_underlying(*sender);
    return true;
}

bool all_ended(size_t count) {
    for (size_t i = 0; i < count; ++i) {
        if (lanes[i].ended.load(std::memory_order_acquire) != 2) {
            return false;
        }
    }
    return true;
}

} // namespace

int main(int argc, char** argv) {
    const uint64_t messages = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1000;
    const uint32_t cores = std::min(nexus::meta_system()->cores, most_cores);
    size_t count = 0;
    for (uint32_t core = 0; core < cores; ++core) {
        for (const Kind kind : kinds) {
            if (!test::check("two fibers begin",
                             begin(lanes[count++], kind, core, (core + 1) % cores, messages))) {
                return test::result();
            }
        }
    }
    go.store(true, std::memory_order_release);
    // However slow the machine is, one that gets on is not stuck.
    uint64_t before = 0;
    for (int quiet = 0; !all_ended(count) && quiet < 20;) {
        nexus::sleep_for(std::chrono::milliseconds(500));
        uint64_t now = 0;
        for (size_t i = 0; i < count; ++i) {
            now += lanes[i].received.load(std::memory_order_relaxed);
        }
        quiet = now == before ? quiet + 1 : 0;
        before = now;
    }
    uint64_t received = 0;
    uint64_t wrong = 0;
    for (size_t i = 0; i < count; ++i) {
        received += lanes[i].received.load(std::memory_order_relaxed);
        wrong += lanes[i].wrong.load(std::memory_order_relaxed);
    }
    test::check("nobody sleeps for ever", all_ended(count));
    test::equal("every message came", static_cast<long long>(received),
                static_cast<long long>(messages) * static_cast<long long>(count));
    test::equal("in order and whole, the rest of them", static_cast<long long>(wrong), 0);
    return test::result();
}
