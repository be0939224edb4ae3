// SPDX-License-Identifier: Apache-2.0
// AddressSanitizer clears the marks of a whole stack before a call that does not return: it has to know
// which.
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

#include "tests/unit/simulation/sanitizer.h"

// No object moves to a fake stack: a frame is where its stack is.
extern "C" const char* __asan_default_options() {
    return "detect_stack_use_after_return=0:detect_leaks=0";
}

namespace rumpk::simulated::sanitizer {
namespace {

struct Bounds {
    void* base = nullptr;
    size_t size = 0;
};

Bounds own_stack() {
    static const Bounds bounds = [] {
        Bounds found;
        pthread_attr_t attributes;
        if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
            pthread_attr_getstack(&attributes, &found.base, &found.size);
            pthread_attr_destroy(&attributes);
        }
        return found;
    }();
    return bounds;
}

} // namespace

void begins_on(HostStack& stack) {
    __asan_unpoison_memory_region(stack.memory.get(), HostStack::size);
}

void goes_on(HostStack*) {}

void is_turned_to(HostStack*) {}

void entered(HostStack* stack) {
    const Bounds bounds = stack != nullptr ? Bounds{stack->memory.get(), HostStack::size} : own_stack();
    __sanitizer_start_switch_fiber(nullptr, bounds.base, bounds.size);
    __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
}

void all_ended() {}

void look_begins() {}

void look_ends() {}

} // namespace rumpk::simulated::sanitizer
