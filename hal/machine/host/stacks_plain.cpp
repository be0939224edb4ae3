// SPDX-License-Identifier: Apache-2.0
#include "hal/arch/x86_64/context.h"
#include "hal/machine/host/stacks.h"

namespace rumpk::hal {

constinit const uint64_t stack_slack = 0;

StackRange stack_entered(StackRange) {
    return {};
}

void stack_emptied(StackRange) {}

void context_make(struct hal_context* context, void* stack_base, uint64_t stack_size, void (*entry)(void*),
                  void* argument) {
    x86_64::rumpk_x86_64_context_make(context, stack_base, stack_size, entry, argument);
}

void context_switch(struct hal_context* from, const struct hal_context* to) {
    x86_64::rumpk_x86_64_context_switch(from, to);
}

void context_leave(const struct hal_context* to) {
    x86_64::rumpk_x86_64_context_leave(to);
}

int64_t call_on_stack(void* stack_base, uint64_t stack_size, int64_t (*function)(void*), void* argument) {
    return x86_64::rumpk_x86_64_call_on_stack(stack_base, stack_size, function, argument);
}

} // namespace rumpk::hal
