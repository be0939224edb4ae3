// SPDX-License-Identifier: Apache-2.0
// What a sanitizer has to be told about stacks. stacks_plain.cpp says nothing,
// stacks_address.cpp tells AddressSanitizer; the build takes one of them.
#ifndef RUMPK_HAL_MACHINE_HOST_STACKS_H
#define RUMPK_HAL_MACHINE_HOST_STACKS_H

#include "hal/machine/host/core.h"

namespace rumpk::hal {

// This thread runs on that stack from now on. Returns the one before.
StackRange stack_entered(StackRange stack);

// No frame on that stack is alive any more, however it ended.
void stack_emptied(StackRange stack);

// Bytes that instrumented functions take more.
extern const uint64_t stack_slack;

// The table's slots of these names.
void context_make(struct hal_context* context, void* stack_base, uint64_t stack_size, void (*entry)(void*),
                  void* argument);
void context_switch(struct hal_context* from, const struct hal_context* to);
void context_leave(const struct hal_context* to);
int64_t call_on_stack(void* stack_base, uint64_t stack_size, int64_t (*function)(void*), void* argument);

} // namespace rumpk::hal

#endif
