// SPDX-License-Identifier: Apache-2.0
#include "hal/arch/aarch64/frame.h"
#include "hal/board/arch.h"

extern "C" void hal_context_begin();

namespace rumpk::hal {

void context_make(hal_context* context, void* stack_base, uint64_t stack_size, void (*entry)(void*),
                  void* argument) {
    uint64_t top = reinterpret_cast<uint64_t>(stack_base) + stack_size;
    auto frame = reinterpret_cast<SwitchFrame*>(top - sizeof(SwitchFrame));
    // x29 = 0 ends backtraces; the FP registers hold +0.0, FPCR "to nearest, no traps".
    *frame = SwitchFrame{};
    frame->x19[0] = reinterpret_cast<uint64_t>(entry);
    frame->x19[1] = reinterpret_cast<uint64_t>(argument);
    frame->x19[11] = reinterpret_cast<uint64_t>(&hal_context_begin); // x30
    context->stack_pointer = reinterpret_cast<uint64_t>(frame);
}

} // namespace rumpk::hal
