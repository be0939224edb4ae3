// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <nexus/task.h>

using namespace std::chrono_literals;

alignas(4096) std::byte memory[16 * 4096]; // for frames

nexus::task<> ticks(nexus::tasks& tasks, nexus::channel<int, 4>& to) {
    for (int i = 1; i <= 3; ++i) {
        co_await tasks.sleep_for(2ms);
        (void)co_await tasks.send(to, i); // waits while four are under way
    }
    to.close();
}

nexus::task<int> sum(nexus::tasks& tasks, nexus::channel<int, 4>& from) {
    int total = 0;
    while (const auto value = co_await tasks.receive(from)) {
        total += *value;
    }
    co_return total;
}

nexus::task<int> patient(nexus::tasks& tasks, nexus::Duration time) {
    co_await tasks.sleep_for(time);
    co_return 0;
}

nexus::task<int> both(nexus::tasks& tasks) {
    nexus::channel<int, 4> channel;
    const auto [sent, total] = co_await nexus::when_all(ticks(tasks, channel), sum(tasks, channel));
    const auto first = co_await nexus::when_any(patient(tasks, 1h), patient(tasks, 1ms));
    std::printf("sum %d, first %zu\n", total.value_or(-1), first.index());
    co_return sent ? *total : -1;
}

int main() {
    nexus::tasks tasks(memory);
    const nexus::Result<int> total = tasks.run(both(tasks));
    return total && *total == 6 ? 0 : 1;
}
