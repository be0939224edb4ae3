// SPDX-License-Identifier: Apache-2.0
#include "hal/arch/x86_64/context.h"

namespace rumpk::hal::x86_64 {
namespace {

// What a context that is not running has on its stack, lowest address first.
// Of the vector registers none is callee-saved (psABI 3.2.1), but two control
// words are: the rounding mode and the exception masks belong to the fiber.
struct SwitchFrame {
    uint32_t mxcsr;
    uint32_t x87_control; // the upper half is not written by fnstcw and not read
    uint64_t r15, r14, r13, r12, rbx, rbp;
    uint64_t return_address;
};
static_assert(sizeof(SwitchFrame) == 64 && offsetof(SwitchFrame, r15) == 8 &&
                  offsetof(SwitchFrame, return_address) == 56,
              "context_switch pushes exactly this");

// The first code of a new context: SwitchFrame put entry in r12 and its argument
// in r13. rbp is 0, which is where a backtrace ends.
[[gnu::naked]] void begin() {
    asm("mov %r13, %rdi\n"
        "call *%r12\n"
        "ud2\n"); // entry must not return
}

} // namespace

extern "C" {

void rumpk_x86_64_context_make(struct hal_context* context, void* stack_base, uint64_t stack_size,
                               void (*entry)(void*), void* argument) {
    uint64_t top = reinterpret_cast<uint64_t>(stack_base) + stack_size;
    auto* frame = reinterpret_cast<SwitchFrame*>(top - sizeof(SwitchFrame));
    *frame = SwitchFrame{.mxcsr = initial_mxcsr,
                         .x87_control = initial_x87_control,
                         .r15 = 0,
                         .r14 = 0,
                         .r13 = reinterpret_cast<uint64_t>(argument),
                         .r12 = reinterpret_cast<uint64_t>(entry),
                         .rbx = 0,
                         .rbp = 0,
                         .return_address = reinterpret_cast<uint64_t>(&begin)};
    context->stack_pointer = reinterpret_cast<uint64_t>(frame);
}

// The x87 word is loaded only where it differs, for that is slow; MXCSR always, for
// to read it back and compare is slower (4.2 ns; 4.4 with both loaded, 5.6 with both
// compared; ./rumpk bench fibers, on an AMD EPYC). Where the exception flags differ, which
// are the fiber's too (C17 7.6), an Intel Xeon takes 65 ns: no way around it. `ret` and not an indirect jump:
// switches come from one place, so that the return-address predictor is right here and in the callers.
[[gnu::naked]] void rumpk_x86_64_context_switch(struct hal_context*, const struct hal_context*) {
    asm("push %rbp\n"
        "push %rbx\n"
        "push %r12\n"
        "push %r13\n"
        "push %r14\n"
        "push %r15\n"
        "sub $8, %rsp\n"
        "stmxcsr (%rsp)\n"
        "fnstcw 4(%rsp)\n"
        "movzwl 4(%rsp), %ecx\n"
        "mov %rsp, (%rdi)\n"
        ".hidden rumpk_x86_64_go_on\n"
        "rumpk_x86_64_go_on:\n" // from here on only rsi and cx are looked at
        "mov (%rsi), %rsp\n"
        "ldmxcsr (%rsp)\n"
        "cmp 4(%rsp), %cx\n"
        "jne 2f\n"
        "1:\n"
        "add $8, %rsp\n"
        "pop %r15\n"
        "pop %r14\n"
        "pop %r13\n"
        "pop %r12\n"
        "pop %rbx\n"
        "pop %rbp\n"
        "ret\n"
        "2:\n"
        "fldcw 4(%rsp)\n"
        "jmp 1b\n");
}

[[gnu::naked]] void rumpk_x86_64_context_leave(const struct hal_context*) {
    asm("mov %rdi, %rsi\n"
        "fnstcw -8(%rsp)\n"
        "movzwl -8(%rsp), %ecx\n"
        "jmp rumpk_x86_64_go_on\n");
}

[[gnu::naked]] int64_t rumpk_x86_64_call_on_stack(void*, uint64_t, int64_t (*)(void*), void*) {
    asm("push %rbp\n"
        "mov %rsp, %rbp\n" // a backtrace walks from the other stack back to this one
        "lea (%rdi, %rsi), %rsp\n"
        "mov %rcx, %rdi\n"
        "call *%rdx\n"
        "mov %rbp, %rsp\n"
        "pop %rbp\n"
        "ret\n");
}

} // extern "C"
} // namespace rumpk::hal::x86_64
