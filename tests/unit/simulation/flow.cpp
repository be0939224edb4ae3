// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/simulation/flow.h"

#include <ucontext.h>

#include <cstdint>
#include <cstdlib>

#include "tests/unit/simulation/sanitizer.h"

namespace rumpk::simulated {
namespace {

Flow* beginning = nullptr;

} // namespace

void Flow::prepare(HostStack& stack, void (*entry)(void*), void* argument) {
    sanitizer::begins_on(stack);
    stack_ = &stack;
    entry_ = entry;
    argument_ = argument;
    waits_ = true;
}

void Flow::first() {
    Flow& self = *beginning;
    sanitizer::entered(self.stack_);
    void (*const entry)(void*) = self.entry_;
    self.entry_ = nullptr;
    entry(self.argument_);
    std::abort();
}

// setjmp's own family keeps registers and nothing else: no system call, which ucontext needs to begin only.
// Neither may be seen by the sanitizer, which would clear the marks of the stack that is left.
[[gnu::noinline, clang::no_sanitize("address", "undefined")]] void Flow::jump(Flow& from, Flow& to) {
    from.waits_ = true;
    to.waits_ = false;
    if (__builtin_setjmp(from.where_) != 0) {
        return;
    }
    if (to.entry_ == nullptr) {
        sanitizer::entered(to.stack_);
        __builtin_longjmp(to.where_, 1);
    }
    static ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = to.stack_->memory.get();
    context.uc_stack.ss_size = HostStack::size;
    context.uc_link = nullptr;
    makecontext(&context, &Flow::first, 0);
    beginning = &to;
    setcontext(&context);
}

void Flow::go(Flow& from, Flow& to) {
    sanitizer::goes_on(to.stack_);
    jump(from, to);
}

void Flow::turn(Flow& from, Flow& to) {
    sanitizer::is_turned_to(to.stack_);
    jump(from, to);
}

} // namespace rumpk::simulated
