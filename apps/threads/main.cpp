// SPDX-License-Identifier: Apache-2.0
//
// Fibers that play ping-pong over channels: pairs in the home tier, one pair across tiers, and a
// pipeline of several stages. Every value that arrives is checked; the exit code says whether all did.
#include <array>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <memory>

#include <nexus/channel.h>
#include <nexus/fiber.h>

namespace {

using Channel = nexus::channel<uint64_t, 8>;

constexpr uint64_t rounds = 1000;

// What the answering side of a pair does: gives each number back, plus one, until the channel closes.
void answer(Channel& in, Channel& out) {
    while (const auto value = in.receive()) {
        if (!out.send(*value + 1)) {
            break;
        }
    }
    out.close();
}

// Sum of what came back to 0, 1, ... rounds - 1; 0 if the other side went away.
uint64_t play(Channel& out, Channel& in) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < rounds; ++i) {
        if (!out.send(i)) {
            return 0;
        }
        const auto back = in.receive();
        if (!back) {
            return 0;
        }
        sum += *back;
    }
    out.close();
    return sum;
}

bool report(const char* what, uint64_t sum, uint64_t expected, uint64_t sleeps) {
    const bool right = sum == expected;
    std::printf("%-24s sum %" PRIu64 " %s, slept %" PRIu64 " times\n", what, sum, right ? "right" : "WRONG",
                sleeps);
    return right;
}

bool pair(const char* what, const nexus::FiberOptions& options) {
    const auto ping = std::make_unique<Channel>();
    const auto pong = std::make_unique<Channel>();
    auto other = nexus::spawn([&ping, &pong] { answer(*ping, *pong); }, options);
    if (!other) {
        std::printf("%-24s no fiber: error %d\n", what, nexus::number(other.error()));
        return false;
    }
    const uint64_t sum = play(*ping, *pong);
    const bool ended = other->join() == 0;
    return report(what, sum, rounds * (rounds + 1) / 2, pong->receive_waits()) && ended;
}

// Numbers go through every stage; each adds one. Batches pass as far as the channels hold them.
bool pipeline() {
    constexpr size_t stages = 8;
    std::array<Channel, stages + 1> pipes;
    std::array<nexus::Fiber, stages> fibers;
    for (size_t i = 0; i < stages; ++i) {
        auto fiber = nexus::spawn([&pipes, i] { answer(pipes[i], pipes[i + 1]); }, {.name = "stage"});
        if (!fiber) {
            return false;
        }
        fibers[i] = std::move(*fiber);
    }
    auto source = nexus::spawn([&pipes] {
        for (uint64_t i = 0; i < rounds; ++i) {
            (void)pipes.front().send(i);
        }
        pipes.front().close();
    });
    uint64_t sum = 0;
    while (const auto value = pipes.back().receive()) {
        sum += *value;
    }
    bool ended = source && source->join() == 0;
    for (nexus::Fiber& fiber : fibers) {
        ended = fiber.join() == 0 && ended;
    }
    return report("pipeline of 8", sum, rounds * (rounds - 1) / 2 + rounds * stages,
                  pipes.back().receive_waits()) &&
           ended;
}

} // namespace

int main() {
    bool right = pair("same tier", {.name = "answer"});
    right = pair("higher tier", {.name = "photon", .tier = nexus::Tier::photon, .bare = true}) && right;
    right = pair("lower tier", {.name = "void", .tier = nexus::Tier::void_, .bare = true}) && right;
    right = pipeline() && right;
    std::puts(right ? "threads: all right" : "threads: FAILED");
    return right ? 0 : 1;
}
