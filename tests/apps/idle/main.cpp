// SPDX-License-Identifier: Apache-2.0
//
// Says `idle`, waits for one byte of standard input or its end, and prints the kernel's counters, `name
// value` a line: what an idle machine did meanwhile.
#include <cinttypes>
#include <cstdint>
#include <cstdio>

#include <nexus/meta.h>

int main() {
    std::puts("idle");
    std::fflush(stdout);
    (void)std::getchar();
    const auto system = nexus::meta_system();
    if (!system) {
        return 1;
    }
    const struct {
        const char* name;
        uint64_t value;
    } counters[] = {
        {"cores", system->cores},
        {"uptime_ns", system->uptime_ns},
        {"idle_ns", system->idle_ns},
        {"switches", system->switches},
        {"preemptions", system->preemptions},
        {"timer_interrupts", system->timer_interrupts},
        {"timer_empty", system->timer_empty},
        {"device_interrupts", system->device_interrupts},
        {"wakes", system->wakes},
        {"memory_total", system->memory_total},
        {"memory_unused", system->memory_unused},
        {"allocations_after_boot", system->allocations_after_boot},
    };
    for (const auto& [name, value] : counters) {
        std::printf("%s %" PRIu64 "\n", name, value);
    }
    return 0;
}
