// SPDX-License-Identifier: Apache-2.0
#include "bench/rings/duel.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace bench {

namespace {

constexpr unsigned most_tries = 40;
constexpr uint32_t round_trips = 4000;
constexpr unsigned longest_sample = 20; // seconds; a contestant that hangs must not hold the machine

} // namespace

uint64_t now_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000000000u + static_cast<uint64_t>(now.tv_nsec);
}

void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (pthread_setaffinity_np(pthread_self(), sizeof set, &set) != 0) {
        std::fprintf(stderr, "rings: cannot run on processor %d\n", cpu);
        std::exit(1);
    }
}

void ahead(bool on) {
    sched_param how{};
    how.sched_priority = on ? 1 : 0;
    (void)sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &how); // refused: the sample may be disturbed
}

Duel::Duel(int first_cpu, int second_cpu) : helper_([this, second_cpu] { serve(second_cpu); }) {
    pin(first_cpu);
}

Duel::~Duel() {
    over_ = true;
    order_.fetch_add(1, std::memory_order_release);
    order_.notify_one();
    helper_.join();
}

long Duel::switches() {
    rusage used{};
    getrusage(RUSAGE_THREAD, &used);
    return used.ru_nivcsw;
}

void Duel::serve(int cpu) {
    pin(cpu);
    uint32_t seen = 0;
    while (true) {
        order_.wait(seen, std::memory_order_acquire);
        ++seen;
        if (over_) {
            return;
        }
        ahead(true);
        const long before = switches();
        ready_.store(seen, std::memory_order_release);
        while (go_.load(std::memory_order_acquire) != seen) {
            relax();
        }
        (*job_)();
        helper_disturbed_ = switches() != before;
        done_.store(seen, std::memory_order_release);
        ahead(false);
    }
}

Duel::Part Duel::together(const std::function<void()>& mine, const std::function<void()>& other) {
    job_ = &other;
    const uint32_t number = order_.load(std::memory_order_relaxed) + 1;
    order_.store(number, std::memory_order_release);
    order_.notify_one();
    while (ready_.load(std::memory_order_acquire) != number) {
        std::this_thread::yield();
    }
    alarm(longest_sample);
    ahead(true);
    const long before = switches();
    const uint64_t begun = now_ns();
    go_.store(number, std::memory_order_release);
    mine();
    while (done_.load(std::memory_order_acquire) != number) {
        relax();
    }
    const uint64_t ended = now_ns();
    const bool disturbed = switches() != before || helper_disturbed_;
    ahead(false);
    alarm(0);
    return {static_cast<double>(ended - begun), disturbed};
}

double Duel::ping_pong() {
    struct alignas(128) {
        alignas(128) std::atomic<uint32_t> ping = 0;
        alignas(128) std::atomic<uint32_t> pong = 0;
    } line;
    double ns = 0;
    const Part part = together(
        [&] {
            const uint64_t begun = now_ns();
            for (uint32_t i = 1; i <= round_trips; ++i) {
                line.ping.store(i, std::memory_order_release);
                while (line.pong.load(std::memory_order_acquire) != i) {
                }
            }
            ns = static_cast<double>(now_ns() - begun) / round_trips;
        },
        [&] {
            for (uint32_t i = 1; i <= round_trips; ++i) {
                while (line.ping.load(std::memory_order_acquire) != i) {
                }
                line.pong.store(i, std::memory_order_release);
            }
        });
    return part.disturbed ? -ns : ns;
}

Sample Duel::run(const std::function<void()>& prepare, const std::function<void()>& mine,
                 const std::function<void()>& other) {
    Sample sample;
    for (unsigned i = 0; i < most_tries; ++i) {
        const double before = ping_pong();
        prepare();
        const Part part = together(mine, other);
        const double after = ping_pong();
        sample = {part.ns, before, after, i, true};
        if (before > 0 && after > 0 && !part.disturbed) {
            return sample;
        }
    }
    sample.undisturbed = false;
    return sample;
}

double Neighbours::run(const std::function<void()>& mine, const std::function<void()>& other) const {
    alarm(longest_sample);
    const auto work = [&](const std::function<void()>& what) {
        return [this, &what] {
            pin(cpu_);
            ahead(true);
            what();
        };
    };
    const uint64_t begun = now_ns();
    std::thread first(work(mine));
    std::thread second(work(other));
    first.join();
    second.join();
    const double ns = static_cast<double>(now_ns() - begun);
    alarm(0);
    return ns;
}

} // namespace bench
