// SPDX-License-Identifier: Apache-2.0
#include "hal/arch/riscv64/frame.h"
#include "hal/board/arch.h"

namespace rumpk::hal {

void context_make(hal_context* context, void* stack_base, uint64_t stack_size, void (*entry)(void*),
                  void* argument) {
    uint64_t top = reinterpret_cast<uint64_t>(stack_base) + stack_size;
    auto frame = reinterpret_cast<SwitchFrame*>(top - sizeof(SwitchFrame));
    // No other register is anything before it begins; in most it finds what the one before left.
    frame->s[1] = reinterpret_cast<uint64_t>(entry);
    frame->s[2] = reinterpret_cast<uint64_t>(argument);
    frame->how = SWITCH_NEW;
    context->stack_pointer = top;
}

} // namespace rumpk::hal
