// SPDX-License-Identifier: Apache-2.0
#include "hal/arch/aarch64/frame.h"
#include "hal/board/arch.h"

namespace rumpk::hal {

void context_make(hal_context* context, void* stack_base, uint64_t stack_size, void (*entry)(void*),
                  void* argument) {
    uint64_t top = reinterpret_cast<uint64_t>(stack_base) + stack_size;
    auto frame = reinterpret_cast<SwitchFrame*>(top - sizeof(SwitchFrame));
    // No register is anything before it begins; in most it finds what the one before left.
    frame->entry = reinterpret_cast<uint64_t>(entry);
    frame->x19[0] = reinterpret_cast<uint64_t>(argument);
    context->stack_pointer = reinterpret_cast<uint64_t>(frame);
}

} // namespace rumpk::hal
