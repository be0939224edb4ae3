// SPDX-License-Identifier: Apache-2.0
//
// Contexts. See abi/hal.h; all but context_make is in switch.S.
#pragma once

#include "abi/hal.h"

extern "C" {
void hal_context_switch(hal_context* from, const hal_context* to);
void hal_context_preempt(hal_context* from, const hal_context* to);
int64_t hal_call_on_stack(void* stack_base, uint64_t stack_size, int64_t (*function)(void*), void* argument);
}

namespace rumpk::hal {

void context_make(hal_context* context, void* stack_base, uint64_t stack_size, void (*entry)(void*),
                  void* argument);

} // namespace rumpk::hal
