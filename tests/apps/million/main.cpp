// SPDX-License-Identifier: Apache-2.0
//
// Very many tasks at once: all of them alive, all asleep with a deadline of their own, all woken in order.
// The first argument is how many.
#include <cstdlib>

#include <nexus/task.h>

#include "tests/apps/check.h"

namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

long alive = 0;
long woken = 0;
long out_of_order = 0;
nexus::Instant last;

struct Life {
    Life() { ++alive; }
    Life(const Life&) = delete;
    Life& operator=(const Life&) = delete;
    ~Life() { --alive; }
};

nexus::task<> sleeper(nexus::tasks& tasks, nexus::Instant when) {
    const Life life;
    co_await tasks.sleep_until(when);
    out_of_order += when < last;
    last = when;
    ++woken;
}

// Also a task: it looks when the others have begun.
nexus::task<long> count(nexus::tasks& tasks, nexus::Instant when) {
    co_await tasks.sleep_until(when);
    co_return alive;
}

// The heap's memory and what `map` gives.
void give_memory(nexus::tasks& tasks, size_t bytes) {
    constexpr size_t mapped = size_t{32} << 20;
    const size_t first = bytes < mapped ? bytes : mapped;
    const auto pages = nexus::call::map(RUMPK_HANDLE_MEMORY, 0, first, RUMPK_RIGHT_READ | RUMPK_RIGHT_WRITE);
    if (test::check("map", pages.has_value())) {
        tasks.add_memory(std::span(static_cast<std::byte*>(*pages), first));
    }
    if (bytes > first) {
        void* const more = std::malloc(bytes - first);
        if (test::check("malloc", more != nullptr)) {
            tasks.add_memory(std::span(static_cast<std::byte*>(more), bytes - first));
        }
    }
}

} // namespace

int main(int argc, char** argv) {
    const long wanted = argc > 1 ? std::atol(argv[1]) : 1000;
    nexus::tasks tasks{{}};
    constexpr size_t most = size_t{94} << 20; // what the manifest leaves
    const size_t enough = static_cast<size_t>(wanted) * 128 / 4096 * 4096 + size_t{64} * 1024;
    give_memory(tasks, enough < most ? enough : most);

    const nexus::Instant begun = nexus::now();
    const nexus::Instant first = begun + seconds(2);
    long refused = 0;
    for (long i = 0; i < wanted; ++i) {
        // Not in the order of their deadlines.
        const auto offset = nanoseconds(static_cast<unsigned long>(i) * 2654435761U % 1'000'000);
        refused += !tasks.spawn(sleeper(tasks, first + offset));
    }
    test::equal("tasks that got no memory", refused, 0);
    const auto seen = tasks.run(count(tasks, first - nanoseconds(1)));
    test::check("one more to count them", seen.has_value());
    test::equal("alive at once", seen.value_or(0), wanted);
    const size_t each = tasks.bytes() / (tasks.frames() == 0 ? 1 : tasks.frames());
    if (!test::check("at most 256 bytes a task", each <= 256)) {
        std::printf("each has %zu\n", each);
    }
    test::check("the rest ran", tasks.run().has_value());
    test::equal("woken", woken, wanted);
    test::equal("out of order", out_of_order, 0);
    test::equal("left over", static_cast<long>(tasks.frames()) + alive, 0);
    std::printf("ok bytes a task: %zu\n", each);
    return test::result();
}
