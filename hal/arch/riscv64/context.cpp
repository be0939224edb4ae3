// SPDX-License-Identifier: Apache-2.0
#include "hal/arch/riscv64/frame.h"
#include "hal/board/arch.h"

extern "C" void hal_context_begin();

namespace rumpk::hal {

void context_make(hal_context* context, void* stack_base, uint64_t stack_size, void (*entry)(void*),
                  void* argument) {
    uint64_t top = reinterpret_cast<uint64_t>(stack_base) + stack_size;
    auto frame = reinterpret_cast<SwitchFrame*>(top - sizeof(SwitchFrame));
    // What matters at its beginning; in s3 to s11 it finds what lies there. s0 = 0 ends backtraces;
    // without FP state fcsr is "to nearest, no flags".
    frame->s[0] = 0;
    frame->s[1] = reinterpret_cast<uint64_t>(entry);
    frame->s[2] = reinterpret_cast<uint64_t>(argument);
    frame->ra = reinterpret_cast<uint64_t>(&hal_context_begin);
    frame->tp = 0;
    frame->has_float = 0;
    context->stack_pointer = top;
}

} // namespace rumpk::hal
