// SPDX-License-Identifier: Apache-2.0
// Contexts on x86-64 under the System V ABI: what a switch saves, and where a
// backtrace finds the next frame. The slots of abi/hal.h of the same names.
#ifndef RUMPK_HAL_ARCH_X86_64_CONTEXT_H
#define RUMPK_HAL_ARCH_X86_64_CONTEXT_H

#include "abi/hal.h"

namespace rumpk::hal::x86_64 {

// Frames are built with `push %rbp; mov %rsp, %rbp`.
constexpr int32_t frame_previous = 0;
constexpr int32_t frame_return = 8;

// The state of the floating-point control words that the ABI promises to a new
// thread (psABI 3.2.3): every exception masked, round to nearest, 64-bit x87.
constexpr uint32_t initial_mxcsr = 0x1f80;
constexpr uint16_t initial_x87_control = 0x037f;

extern "C" {
void rumpk_x86_64_context_make(struct hal_context* context, void* stack_base, uint64_t stack_size,
                               void (*entry)(void*), void* argument);
void rumpk_x86_64_context_switch(struct hal_context* from, const struct hal_context* to);
void rumpk_x86_64_context_leave(const struct hal_context* to);
int64_t rumpk_x86_64_call_on_stack(void* stack_base, uint64_t stack_size, int64_t (*function)(void*),
                                   void* argument);
}

} // namespace rumpk::hal::x86_64

#endif
