// SPDX-License-Identifier: Apache-2.0
// All runs on one thread of the host, but ThreadSanitizer is told otherwise: what is on a stack is a thread
// to it, ordered behind the one that this core left for it, and behind nothing else. So what two cores do is
// ordered by what the kernel does with its atomics alone, and a race is found wherever the order in which
// they happened to run has hidden it, in the same seed each time. Only the kernel is compiled for it, and not
// the test.
#include <sanitizer/tsan_interface.h>

#include <unordered_map>

#include "tests/unit/simulation/sanitizer.h"

// Interceptors see what the test copies and what the kernel copies, and can't tell one from the other.
extern "C" const char* __tsan_default_options() {
    return "ignore_interceptors_accesses=1:halt_on_error=1:report_thread_leaks=0";
}

// NOLINTBEGIN(readability-identifier-naming): the runtime's names, which it declares nowhere
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
void AnnotateIgnoreSyncBegin(const char* file, int line);
void AnnotateIgnoreSyncEnd(const char* file, int line);
}
// NOLINTEND(readability-identifier-naming)

namespace rumpk::simulated::sanitizer {
namespace {

// The sanitizer's thread of each stack in use.
std::unordered_map<HostStack*, void*> threads;

void* engine() {
    static void* const made = __tsan_get_current_fiber(); // who asks first is the engine
    return made;
}

void* thread_of(HostStack* stack) {
    return stack != nullptr ? threads.at(stack) : engine();
}

} // namespace

// It begins behind whoever says so.
void begins_on(HostStack& stack) {
    (void)engine();
    void*& thread = threads[&stack];
    if (thread != nullptr) {
        __tsan_destroy_fiber(thread);
    }
    thread = __tsan_create_fiber(0);
}

void goes_on(HostStack* stack) {
    __tsan_switch_to_fiber(thread_of(stack), 0);
}

void is_turned_to(HostStack* stack) {
    __tsan_switch_to_fiber(thread_of(stack), __tsan_switch_to_fiber_no_sync);
}

void entered(HostStack*) {}

void all_ended() {
    for (const auto& [stack, thread] : threads) {
        __tsan_switch_to_fiber(thread, __tsan_switch_to_fiber_no_sync);
        __tsan_switch_to_fiber(engine(), 0);
        __tsan_destroy_fiber(thread);
    }
    threads.clear();
}

void look_begins() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
}

void look_ends() {
    AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}

} // namespace rumpk::simulated::sanitizer
