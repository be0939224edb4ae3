// SPDX-License-Identifier: Apache-2.0
//
// What POSIX programs ask about the system they run on.
#include <cerrno>
#include <climits>
#include <ctime>
#include <sched.h>
#include <unistd.h>

#include "nexus/meta.h"

namespace {

constexpr long page_size = 4096;

} // namespace

extern "C" {

// The end of this fiber's turn: the others of its tier run first. Never fails.
int sched_yield() {
    (void)nexus::call::yield(0, 0, 0, 0);
    return 0;
}

// What is not here is EINVAL, as POSIX has it for names it does not know.
long sysconf(int name) {
    const auto system = [](uint64_t rumpk_meta_system::* field) {
        const auto answer = nexus::meta_system();
        return answer ? static_cast<long>(*answer.*field) : -1;
    };
    switch (name) {
    case _SC_PAGESIZE:
        return page_size;
    case _SC_NPROCESSORS_CONF:
    case _SC_NPROCESSORS_ONLN: {
        const auto answer = nexus::meta_system();
        return answer ? static_cast<long>(answer->cores) : -1;
    }
    case _SC_PHYS_PAGES:
        return system(&rumpk_meta_system::memory_total) / page_size;
    case _SC_AVPHYS_PAGES:
        return system(&rumpk_meta_system::memory_unused) / page_size;
    case _SC_CLK_TCK:
        return CLOCKS_PER_SEC;
    case _SC_OPEN_MAX:
        return 3;
    case _SC_MONOTONIC_CLOCK:
    case _SC_TIMERS:
        return 200809L;
    default:
        errno = EINVAL;
        return -1;
    }
}

int getpagesize() {
    return page_size;
}

// There is one program: it is process 1, and its own child of nobody.
pid_t getpid() {
    return 1;
}

pid_t getppid() {
    return 0;
}

} // extern "C"
