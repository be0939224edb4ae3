// SPDX-License-Identifier: Apache-2.0
//
// Runs everything in turns, ours and the peer's, and prints one line a measurement:
//
//      <figure> <ours> <peer's>            numbers; `-` where there is no peer
//      <figure> none <why>                 it cannot be measured
//      memory.unused <bytes> <deadlines>   what boot gave to nobody, and what the core's deadlines take
//
// The environment says how often (BENCH_RUNS) and which (BENCH_FIGURES: names, separated by commas).
#include <cfenv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <sys/mman.h>
#include <time.h>
#include <vector>

#include "bench/fibers/bench.h"

namespace {

constexpr uint32_t deadline_operations = 200'000;

[[nodiscard]] bool wanted(const char* figure) {
    const char* const figures = std::getenv("BENCH_FIGURES");
    return figures == nullptr ||
           ("," + std::string(figures) + ",").find("," + std::string(figure) + ",") != std::string::npos;
}

void say(const char* figure, double ours, double peer) {
    std::printf("%s %.6g %.6g\n", figure, ours, peer);
}

template <class Ours, class Peer>
void measure(const char* figure, Ours ours, Peer peer) {
    if (wanted(figure)) {
        const double value = ours();
        say(figure, value, peer());
    }
}

void many_yields() {
    constexpr uint32_t fibers = 10'000;
    if (!wanted("fiber.yield.10000")) {
        return;
    }
    const uint32_t room = ours_fiber_slots() - 1;
    if (room < fibers) {
        std::printf("fiber.yield.10000 none a cell has at most %u fibers here\n", room);
        const std::string name = "fiber.yield." + std::to_string(room);
        say(name.c_str(), ours_yield(room, 100), peer_yield(room, 100));
        return;
    }
    measure(
        "fiber.yield.10000", [] { return ours_yield(fibers, 20); }, [] { return peer_yield(fibers, 20); });
}

// To another core: a fiber that spins, beside a bare cache line, and one that parks, beside pipes.
void messages() {
    if (wanted("smp.message.spinning")) {
        const message_figures figures = ours_message(2'000, 0);
        say("smp.message.spinning", figures.message, figures.line);
    }
    measure(
        "smp.message.parked", [] { return ours_message(100, 1).message; },
        [] { return peer_pingpong_cores(3'000); });
}

void deadlines(uint32_t pending) {
    const std::string end = "." + std::to_string(pending);
    const char* const names[] = {"deadline.insert", "deadline.cancel_insert", "deadline.expire",
                                 "deadline.worst"};
    bool any = false;
    for (const char* name : names) {
        any |= wanted((name + end).c_str());
    }
    if (!any) {
        return;
    }
    static std::vector<uint64_t> keys = [] {
        std::vector<uint64_t> made(1'000'000 + deadline_operations);
        std::mt19937_64 random(1);
        for (uint64_t& key : made) {
            key = 1 + random() % 3'600'000'000'000; // within an hour
        }
        return made;
    }();
    const deadline_figures ours = ours_deadlines(pending, keys.data(), deadline_operations);
    const deadline_figures peer = peer_deadlines(pending, keys.data(), deadline_operations);
    const double values[][2] = {{ours.insert, peer.insert},
                                {ours.cancel_insert, peer.cancel_insert},
                                {ours.expire, peer.expire},
                                {ours.worst, peer.worst}};
    for (size_t i = 0; i < std::size(names); ++i) {
        if (wanted((names[i] + end).c_str())) {
            say((names[i] + end).c_str(), values[i][0], values[i][1]);
        }
    }
}

// A new context of ours begins without exception flags, a peer's with those of who makes it. Where two differ
// in them, each switch changes MXCSR, which takes far longer than to load what is there.
void switches() {
    constexpr uint64_t count = 4'000'000;
    const auto have_raised = [](int flags) {
        std::feclearexcept(FE_ALL_EXCEPT);
        std::feraiseexcept(flags);
        return ours_switch(count);
    };
    measure("fiber.switch", [] { return ours_plain_switch(count); }, [] { return peer_switch(count, 0); });
    measure("fiber.switch.fpcw", [&] { return have_raised(0); }, [] { return peer_switch(count, 0); });
    measure(
        "fiber.switch.flags", [&] { return have_raised(FE_DIVBYZERO); },
        [] { return peer_switch(count, FE_DIVBYZERO); });
}

void once() {
    switches();
    measure("fiber.yield.2", [] { return ours_yield(2, 500'000); }, [] { return peer_yield(2, 200'000); });
    measure(
        "fiber.yield.2.counted", [] { return ours_counted_yield(2, 500'000); },
        [] { return peer_yield(2, 200'000); });
    many_yields();
    measure("fiber.pingpong", [] { return ours_pingpong(300'000); }, [] { return peer_pingpong(10'000); });
    measure("fiber.spawn_end", [] { return ours_spawn_end(200'000); }, [] { return peer_spawn_end(50'000); });
    messages();
    measure("task.resume", [] { return ours_resume(10'000'000); }, [] { return peer_resume(10'000'000); });
    deadlines(10'000);
    deadlines(1'000'000);
    std::fflush(stdout);
}

uint64_t clock_ns(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}

// Before main: the trampoline's word.
[[gnu::constructor]] void put_doorstep() {
    void* const wanted_at = reinterpret_cast<void*>(BENCH_DOORSTEP);
    void* const page = mmap(wanted_at, 4096, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (page != wanted_at) {
        std::abort();
    }
    *static_cast<uint64_t*>(page) = reinterpret_cast<uintptr_t>(&bench_start);
}

} // namespace

uint64_t bench_now() {
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t bench_clock() {
    return clock_ns(CLOCK_MONOTONIC);
}

void bench_start(void (*enter)(uint64_t)) {
    ours_begin(enter);
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    const char* const text = std::getenv("BENCH_RUNS");
    const int runs = text != nullptr ? std::atoi(text) : 1;
    if (wanted("memory.unused")) {
        std::printf("memory.unused %llu %llu\n", static_cast<unsigned long long>(ours_memory_unused()),
                    static_cast<unsigned long long>(ours_deadline_bytes(ours_fiber_slots())));
    }
    if (wanted("task.bytes")) {
        std::printf("task.bytes %.6g -\n", ours_task_bytes(10'000));
    }
    for (int run = 0; run < runs; ++run) {
        once();
    }
    std::fflush(stdout);
}
