// SPDX-License-Identifier: Apache-2.0
//
// Fibers through the SysTable's calls, as an application makes them.
#include <nexus/dialogue.h>
#include <nexus/fiber.h>
#include <nexus/meta.h>

#include "bench/fibers/bench.h"
#include "start/process.h"

namespace nexus::detail {
constinit Process process{}; // start.cpp's, which brings the start of a whole program along
}

// The C library's of a cell; the host's is another.
int cell_errno;

namespace {

void (*enter)(uint64_t) = nullptr;

// Without a stack: one of the pool's, of 1 KiB.
bool spawn(bench_entry& entry, std::span<std::byte> stack = {}) {
    return nexus::spawn(enter, reinterpret_cast<uintptr_t>(&entry), {.stack = stack}).has_value();
}

// The first fiber sleeps; whoever has the last word rings it.
uint64_t first_fiber = 0;

void sleep() {
    (void)nexus::call::yield(RUMPK_CHANNEL_RX, 0, RUMPK_NEVER, 0);
}
void wake_first() {
    const uint64_t peer = first_fiber; // on this stack, which is the cell's memory
    (void)nexus::call::yield(0, 0, 0, RUMPK_YIELD_NOWAIT, std::span(&peer, 1));
}

// --- yield ----------------------------------------------------------------------------------------

struct Yielding {
    uint64_t rounds = 0;
    uint32_t left = 0;
    uint64_t begun = 0;
    uint64_t ended = 0;
    bool timed = false;
};
Yielding yielding;

// All have begun when the first comes back from its first yield, and all are in their last round when it
// has done its last.
void yields(uint64_t number) {
    nexus::yield();
    if (number == 0) {
        yielding.begun = bench_now();
    }
    for (uint64_t i = 0; i < yielding.rounds; ++i) {
        nexus::yield();
    }
    if (number == 0) {
        yielding.ended = bench_now();
    }
    if (--yielding.left == 0) {
        wake_first();
    }
}

// --- ping-pong ------------------------------------------------------------------------------------

struct Message {
    uint64_t words[8];
};
using Channel = nexus::channel<Message, 4>;

struct Pingpong {
    Channel there;
    Channel back;
    uint64_t rounds;
    double ns;
};

void ping(uint64_t argument) {
    auto& both = *reinterpret_cast<Pingpong*>(argument);
    nexus::dialogue asks(both.there, both.back);
    const uint64_t begun = bench_now();
    Message message{};
    for (uint64_t i = 0; i < both.rounds; ++i) {
        message.words[0] = i;
        message = *asks.exchange(message);
        if (message.words[0] != i + 1) {
            __builtin_trap();
        }
    }
    both.ns = static_cast<double>(bench_now() - begun) / static_cast<double>(both.rounds);
    wake_first();
}

void pong(uint64_t argument) {
    auto& both = *reinterpret_cast<Pingpong*>(argument);
    nexus::dialogue answers(both.back, both.there);
    Message message = *both.there.receive();
    for (uint64_t i = 1; i < both.rounds; ++i) {
        ++message.words[0];
        message = *answers.exchange(message);
    }
    ++message.words[0];
    (void)both.back.send(message);
}

uint64_t ended = 0;

void ends(uint64_t) {
    ++ended;
}

} // namespace

void ours_begin(void (*trampoline)(uint64_t)) {
    enter = trampoline;
    const auto self = nexus::meta_self();
    nexus::detail::process.self = *self;
    nexus::detail::home_tier = self->home_tier;
    first_fiber = self->fiber;
}

void (*ours_entry())(uint64_t) {
    return enter;
}

uint32_t ours_fiber_slots() {
    return nexus::detail::process.self.fiber_slots;
}

uint64_t ours_memory_unused() {
    return nexus::meta_system()->memory_unused;
}

double ours_yield(uint32_t fibers, uint64_t rounds) {
    yielding = {.rounds = rounds, .left = fibers};
    // Kept where the first fiber's stack is: in the cell.
    auto* const entries = static_cast<bench_entry*>(__builtin_alloca(fibers * sizeof(bench_entry)));
    for (uint32_t i = 0; i < fibers; ++i) {
        entries[i] = {yields, i};
        if (!spawn(entries[i])) {
            return -1;
        }
    }
    sleep();
    return static_cast<double>(yielding.ended - yielding.begun) / (static_cast<double>(fibers) * rounds);
}

double ours_counted_yield(uint32_t fibers, uint64_t rounds) {
    return nexus::meta_fiber() ? ours_yield(fibers, rounds) : -1;
}

double ours_pingpong(uint64_t rounds) {
    alignas(Pingpong) static std::byte memory[sizeof(Pingpong)];
    auto& both = *::new (memory) Pingpong{};
    both.rounds = rounds;
    bench_entry first{ping, reinterpret_cast<uintptr_t>(&both)};
    bench_entry second{pong, reinterpret_cast<uintptr_t>(&both)};
    alignas(16) std::byte stacks[2][4096]; // on the first fiber's: in the cell
    if (!spawn(first, stacks[0]) || !spawn(second, stacks[1])) {
        return -1;
    }
    sleep();
    nexus::yield(); // the second ends, too
    std::destroy_at(&both);
    return both.ns;
}

double ours_spawn_end(uint64_t count) {
    bench_entry entry{ends, 0};
    ended = 0;
    const uint64_t begun = bench_now();
    for (uint64_t i = 0; i < count; ++i) {
        if (!spawn(entry)) {
            return -1;
        }
        nexus::yield();
    }
    const uint64_t done = bench_now();
    return ended == count ? static_cast<double>(done - begun) / static_cast<double>(count) : -1;
}
