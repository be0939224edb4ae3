// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/simulation/flow.h"

#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <ucontext.h>

#include <cstdint>
#include <cstdlib>

// No object moves to a fake stack: a frame is where its stack is.
extern "C" const char* __asan_default_options() {
    return "detect_stack_use_after_return=0:detect_leaks=0";
}

namespace rumpk::simulated {
namespace {

Flow* beginning = nullptr;

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

void Flow::prepare(HostStack& stack, void (*entry)(void*), void* argument) {
    stack_ = &stack;
    entry_ = entry;
    argument_ = argument;
    waits_ = true;
}

// The sanitizer clears the marks of a whole stack before a call that does not return: it has to know which.
void Flow::entered(const Flow& flow) {
    const Bounds bounds =
        flow.stack_ != nullptr ? Bounds{flow.stack_->memory.get(), HostStack::size} : own_stack();
    __sanitizer_start_switch_fiber(nullptr, bounds.base, bounds.size);
    __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
}

void Flow::first() {
    Flow& self = *beginning;
    entered(self);
    void (*const entry)(void*) = self.entry_;
    self.entry_ = nullptr;
    entry(self.argument_);
    std::abort();
}

// setjmp's own family keeps registers and nothing else: no system call, which ucontext needs to begin only.
// Neither may be seen by the sanitizer, which would clear the marks of the stack that is left.
[[gnu::noinline, clang::no_sanitize("address", "undefined")]] void Flow::go(Flow& from, Flow& to) {
    from.waits_ = true;
    to.waits_ = false;
    if (__builtin_setjmp(from.where_) != 0) {
        return;
    }
    if (to.entry_ == nullptr) {
        entered(to);
        __builtin_longjmp(to.where_, 1);
    }
    static ucontext_t context;
    __asan_unpoison_memory_region(to.stack_->memory.get(), HostStack::size);
    getcontext(&context);
    context.uc_stack.ss_sp = to.stack_->memory.get();
    context.uc_stack.ss_size = HostStack::size;
    context.uc_link = nullptr;
    makecontext(&context, &Flow::first, 0);
    beginning = &to;
    setcontext(&context);
}

} // namespace rumpk::simulated
