// SPDX-License-Identifier: Apache-2.0
//
// Tasks, and beside them the same with nothing but the language.
#include <nexus/task.h>

#include "bench/fibers/bench.h"

namespace {

alignas(4096) std::byte memory[size_t{8} << 20];

nexus::task<> yields(nexus::tasks& tasks, uint64_t times) {
    for (uint64_t i = 0; i < times; ++i) {
        co_await tasks.yield();
    }
}

nexus::task<> sleeps(nexus::tasks& tasks, nexus::Instant when) {
    co_await tasks.sleep_until(when);
}

nexus::task<> nothing(nexus::tasks&) {
    co_return;
}

struct Bare {
    struct promise_type {
        Bare get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        static std::suspend_always initial_suspend() noexcept { return {}; }
        static std::suspend_always final_suspend() noexcept { return {}; }
        static void return_void() {}
        static void unhandled_exception() { __builtin_trap(); }
        static void* operator new(size_t bytes) noexcept { return next += bytes; }
        static void operator delete(void*, size_t) {}
        static Bare get_return_object_on_allocation_failure() { return {}; }
        static std::byte* next;
    };
    std::coroutine_handle<promise_type> handle;
};
alignas(16) std::byte bare_memory[1024];
std::byte* Bare::promise_type::next;

Bare suspends(uint64_t times) {
    for (uint64_t i = 0; i < times; ++i) {
        co_await std::suspend_always();
    }
}

} // namespace

double ours_resume(uint64_t resumes) {
    nexus::tasks tasks(memory);
    (void)tasks.spawn(yields(tasks, resumes / 2));
    (void)tasks.spawn(yields(tasks, resumes / 2));
    const uint64_t begun = bench_now();
    (void)tasks.run();
    return static_cast<double>(bench_now() - begun) / static_cast<double>(resumes);
}

double peer_resume(uint64_t resumes) {
    Bare::promise_type::next = bare_memory;
    const Bare two[] = {suspends(resumes / 2), suspends(resumes / 2)};
    const uint64_t begun = bench_now();
    while (!two[0].handle.done()) {
        two[0].handle.resume();
        two[1].handle.resume();
    }
    const uint64_t ended = bench_now();
    two[0].handle.destroy();
    two[1].handle.destroy();
    return static_cast<double>(ended - begun) / static_cast<double>(resumes);
}

double ours_task_bytes(uint32_t count) {
    nexus::tasks tasks(memory);
    for (uint32_t i = 0; i < count; ++i) {
        (void)tasks.spawn(sleeps(tasks, nexus::now() + std::chrono::hours(1)));
    }
    (void)tasks.run(nothing(tasks)); // all have begun
    return static_cast<double>(tasks.bytes()) / count;
}
