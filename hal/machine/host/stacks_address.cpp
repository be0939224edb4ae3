// SPDX-License-Identifier: Apache-2.0
// AddressSanitizer keeps two things that a change of stack makes wrong: the bounds
// of the thread's stack, which it clears before a call that does not return, and
// the marks that functions leave around their variables, which stay when a stack is
// given up with frames on it. Every way on or off a stack of this machine is here.
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

#include "hal/arch/x86_64/context.h"
#include "hal/machine/host/stacks.h"

// Fault signals and signal stacks are ours, and no object moves to a fake stack: a fiber's
// frame is where its stack is.
extern "C" const char* __asan_default_options() {
    return "detect_stack_use_after_return=0:use_sigaltstack=0:detect_leaks=0:handle_segv=0:handle_sigbus=0:"
           "handle_sigill=0:handle_sigfpe=0:handle_sigtrap=0:handle_abort=0:allow_user_segv_handler=1";
}

namespace rumpk::hal {

constinit const uint64_t stack_slack = 8192;

namespace {

constinit thread_local StackRange current_stack;

// Where this thread runs; before any change of stacks, on the one that it was born with.
StackRange& current() {
    pthread_attr_t attributes;
    void* base = nullptr;
    size_t size = 0;
    if (current_stack.base == 0 && pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getstack(&attributes, &base, &size);
        pthread_attr_destroy(&attributes);
        current_stack = {reinterpret_cast<uint64_t>(base), size};
    }
    return current_stack;
}

// What a new context finds at the top of its stack.
struct Beginning {
    StackRange stack;
    void (*entry)(void*);
    void* argument;
};

void begin(void* argument) {
    Beginning beginning = *static_cast<Beginning*>(argument);
    stack_entered(beginning.stack);
    beginning.entry(beginning.argument);
    __builtin_trap(); // entry does not return
}

struct Call {
    StackRange stack;
    int64_t (*function)(void*);
    void* argument;
};

int64_t call(void* argument) {
    auto* what = static_cast<Call*>(argument);
    StackRange before = stack_entered(what->stack);
    int64_t result = what->function(what->argument);
    stack_entered(before);
    return result;
}

StackRange range(void* base, uint64_t size) {
    return {reinterpret_cast<uint64_t>(base), size};
}

} // namespace

// The interface wants the two halves of a switch, one on either stack. Without fake stacks
// both may as well be said after it.
StackRange stack_entered(StackRange stack) {
    StackRange before = current();
    current() = stack;
    __sanitizer_start_switch_fiber(nullptr, reinterpret_cast<void*>(stack.base), stack.size);
    __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
    return before;
}

void stack_emptied(StackRange stack) {
    __asan_unpoison_memory_region(reinterpret_cast<void*>(stack.base), stack.size);
}

void context_make(struct hal_context* context, void* stack_base, uint64_t stack_size, void (*entry)(void*),
                  void* argument) {
    StackRange stack = range(stack_base, stack_size);
    stack_emptied(stack);
    auto* beginning = reinterpret_cast<Beginning*>(stack.top() - sizeof(Beginning));
    *beginning = {.stack = stack, .entry = entry, .argument = argument};
    x86_64::rumpk_x86_64_context_make(context, stack_base, stack_size - sizeof(Beginning), begin, beginning);
}

void context_switch(struct hal_context* from, const struct hal_context* to) {
    StackRange own = current();
    x86_64::rumpk_x86_64_context_switch(from, to);
    stack_entered(own);
}

void context_leave(const struct hal_context* to) {
    x86_64::rumpk_x86_64_context_leave(to);
}

int64_t call_on_stack(void* stack_base, uint64_t stack_size, int64_t (*function)(void*), void* argument) {
    Call what = {.stack = range(stack_base, stack_size), .function = function, .argument = argument};
    stack_emptied(what.stack);
    return x86_64::rumpk_x86_64_call_on_stack(stack_base, stack_size, call, &what);
}

} // namespace rumpk::hal
