// SPDX-License-Identifier: Apache-2.0
//
// What a program of the host would use instead: a pipe between two threads, std::multimap.
#include <algorithm>
#include <csignal>
#include <functional>
#include <map>
#include <sched.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "bench/fibers/bench.h"

namespace {

struct Message {
    uint64_t words[8];
};

void must(bool held) {
    if (!held) {
        std::abort();
    }
}

void receive(int from, Message& message) {
    must(read(from, &message, sizeof message) == sizeof message);
}
void send(int to, const Message& message) {
    must(write(to, &message, sizeof message) == sizeof message);
}

} // namespace

namespace {

// Begun by a core's thread; as no core, for the cores' interrupts are signals.
std::thread thread_of_none(const std::function<void()>& body) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    std::thread thread(body);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return thread;
}

double pipes(uint64_t rounds, uint64_t (*clock)(), const std::function<void()>& prepare_other) {
    int there[2];
    int back[2];
    must(pipe(there) == 0 && pipe(back) == 0);
    std::thread other = thread_of_none([&] {
        prepare_other();
        Message message{};
        for (uint64_t i = 0; i < rounds; ++i) {
            receive(there[0], message);
            ++message.words[0];
            send(back[1], message);
        }
    });
    const uint64_t begun = clock();
    Message message{};
    for (uint64_t i = 0; i < rounds; ++i) {
        message.words[0] = i;
        send(there[1], message);
        receive(back[0], message);
        must(message.words[0] == i + 1);
    }
    const uint64_t ended = clock();
    other.join();
    for (const int end : {there[0], there[1], back[0], back[1]}) {
        close(end);
    }
    return static_cast<double>(ended - begun) / static_cast<double>(rounds);
}

} // namespace

// Both threads are on one processor: the process is pinned.
double peer_pingpong(uint64_t rounds) {
    return pipes(rounds, bench_now, [] {});
}

double peer_pingpong_cores(uint64_t rounds) {
    const int mine = sched_getcpu();
    return pipes(rounds, bench_clock, [&] {
        cpu_set_t others;
        CPU_ZERO(&others);
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (cpu != mine) {
                CPU_SET(cpu, &others);
            }
        }
        must(sched_setaffinity(0, sizeof others, &others) == 0);
    });
}

deadline_figures peer_deadlines(uint32_t pending, const uint64_t* keys, uint32_t operations) {
    if (pending < 2) {
        return {};
    }
    using Map = std::multimap<uint64_t, uint32_t>;
    Map map;
    std::vector<Map::iterator> nodes(pending);
    deadline_figures figures{};
    uint64_t begun = bench_now();
    for (uint32_t i = 0; i < pending; ++i) {
        nodes[i] = map.emplace(keys[i], i);
    }
    figures.insert = static_cast<double>(bench_now() - begun) / pending;
    const auto move = [&](uint64_t key) {
        const auto one = static_cast<uint32_t>(key % pending);
        map.erase(nodes[one]);
        nodes[one] = map.emplace(key, one);
    };
    begun = bench_now();
    for (uint32_t i = 0; i < operations; ++i) {
        move(keys[pending + i]);
    }
    figures.cancel_insert = static_cast<double>(bench_now() - begun) / operations;
    const auto longest = [&](uint64_t before) {
        figures.worst = std::max(figures.worst, static_cast<double>(bench_now() - before));
    };
    for (uint32_t i = 0; i < operations; ++i) {
        const uint64_t before = bench_now();
        move(keys[pending + i] / 3);
        longest(before);
    }
    const uint32_t half = pending / 2;
    begun = bench_now();
    for (uint32_t i = 0; i < half; ++i) {
        map.erase(map.begin());
    }
    figures.expire = static_cast<double>(bench_now() - begun) / half;
    while (!map.empty()) {
        const uint64_t before = bench_now();
        map.erase(map.begin());
        longest(before);
    }
    return figures;
}
