// SPDX-License-Identifier: Apache-2.0
#include "hal/machine/host/entry.h"

#include <cpuid.h>

#include "hal/arch/x86_64/context.h"
#include "hal/machine/host/message.h"

namespace rumpk::hal {

extern "C" {
// For the entry below: the components of XSAVE, the size of the area with its
// alignment, and the control words that the events run with.
[[gnu::used]] constinit uint64_t rumpk_host_vector_mask = 0;
[[gnu::used]] constinit uint64_t rumpk_host_vector_size = 0;
[[gnu::used]] constinit uint32_t rumpk_host_mxcsr = x86_64::initial_mxcsr;
}

namespace {

// XSAVE's legacy area and header (AMD64 APM volume 2, 11.5.2).
constexpr uint64_t xsave_header = 512;
constexpr uint64_t xsave_header_end = 576;
constexpr uint64_t xsave_alignment = 64;

// State that is never a fiber's: PKRU is the process's, and the AMX tiles need a
// permission that nobody asked for. MPX (3, 4) is gone from every CPU.
constexpr uint64_t not_saved = (1ull << 3) | (1ull << 4) | (1ull << 9) | (1ull << 17) | (1ull << 18);

} // namespace

void vector_state_measure() {
    uint32_t a = 0, b = 0, c = 0, d = 0;
    constexpr uint32_t osxsave = 1u << 27; // CPUID function 1, ECX
    if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & osxsave) == 0) {
        die("this machine needs a CPU with XSAVE (any of the last ten years)");
    }
    uint32_t low = 0, high = 0;
    asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    uint64_t mask = (uint64_t{high} << 32 | low) & ~not_saved;
    uint64_t size = xsave_header_end;
    for (uint32_t part = 2; part < 63; part++) {
        // CPUID function 0xD, subfunction n: EAX is the component's size, EBX its offset.
        if ((mask >> part & 1) != 0 && __get_cpuid_count(0xd, part, &a, &b, &c, &d) != 0) {
            size = size < uint64_t{a} + b ? uint64_t{a} + b : size;
        }
    }
    rumpk_host_vector_mask = mask;
    rumpk_host_vector_size = (size + xsave_alignment - 1) & ~(xsave_alignment - 1);
}

uint64_t vector_state_size() {
    return rumpk_host_vector_size + xsave_alignment;
}

extern "C" {

// rsp is 16-byte aligned here, and every general register is free: the interrupted
// ones are in the frame. fninit and ldmxcsr because the events may switch to a
// context that was not interrupted and relies on the ABI's state (no MMX left on).
[[gnu::naked]] void rumpk_host_interrupt_entry() {
    asm("mov %%rsp, %%rbx\n"
        "lea %c[rbp](%%rbx), %%rbp\n"
        "sub rumpk_host_vector_size(%%rip), %%rsp\n"
        "and $-%c[alignment], %%rsp\n"
        "mov %%rsp, %c[state](%%rbx)\n"
        // XSAVE writes the header's first word alone, and XRSTOR wants zeros in the rest.
        "xor %%eax, %%eax\n"
        "lea %c[header](%%rsp), %%rdi\n"
        "mov $%c[words], %%ecx\n"
        "rep stosq\n"
        "mov rumpk_host_vector_mask(%%rip), %%eax\n"
        "mov rumpk_host_vector_mask+4(%%rip), %%edx\n"
        "xsave64 (%%rsp)\n"

        ".globl rumpk_host_interrupt_again\n"
        "rumpk_host_interrupt_again:\n"
        "fninit\n"
        "ldmxcsr rumpk_host_mxcsr(%%rip)\n"
        "mov %c[core](%%rbx), %%rdi\n"
        "call rumpk_host_interrupt_batch\n"
        "mov rumpk_host_vector_mask(%%rip), %%eax\n"
        "mov rumpk_host_vector_mask+4(%%rip), %%edx\n"
        "xrstor64 (%%rsp)\n"
        "mov %c[core](%%rbx), %%rdi\n"
        "mov %%rbx, %c[leaving](%%rdi)\n"

        // From here to the end an interrupt may come although the frame is still needed. The
        // handler then goes back to `again`; the pops leave the frame in memory as it was.
        ".globl rumpk_host_return_begin\n"
        "rumpk_host_return_begin:\n"
        "movl $0, %c[masked](%%rdi)\n"
        "cmpl $0, %c[pending](%%rdi)\n"
        "jne 1f\n"
        "lea %c[r15](%%rbx), %%rsp\n"
        "pop %%r15\n"
        "pop %%r14\n"
        "pop %%r13\n"
        "pop %%r12\n"
        "pop %%r11\n"
        "pop %%r10\n"
        "pop %%r9\n"
        "pop %%r8\n"
        "pop %%rdi\n"
        "pop %%rsi\n"
        "pop %%rdx\n"
        "pop %%rcx\n"
        "pop %%rbx\n"
        "pop %%rax\n"
        "pop %%rbp\n"
        "iretq\n"
        // Something came pending while the events ran.
        "1:\n"
        "movl $1, %c[masked](%%rdi)\n"
        ".globl rumpk_host_return_end\n"
        "rumpk_host_return_end:\n"
        "jmp rumpk_host_interrupt_again\n"
        :
        : [rbp] "i"(offsetof(InterruptFrame, rbp)), [state] "i"(offsetof(InterruptFrame, vector_state)),
          [core] "i"(offsetof(InterruptFrame, core)), [r15] "i"(offsetof(InterruptFrame, r15)),
          [alignment] "i"(xsave_alignment), [header] "i"(xsave_header),
          [words] "i"((xsave_header_end - xsave_header) / 8), [leaving] "i"(offsetof(Core, leaving)),
          [masked] "i"(offsetof(Core, masked)), [pending] "i"(offsetof(Core, pending)));
}

[[gnu::naked]] void rumpk_host_wait(const std::atomic<uint32_t>*) {
    asm(".globl rumpk_host_wait_begin\n"
        "rumpk_host_wait_begin:\n"
        "cmpl $0, (%%rdi)\n"
        "jne 1f\n"
        "mov %[pause], %%eax\n"
        "syscall\n" // ends with EINTR after a handler has run; the result is of no use
        ".globl rumpk_host_wait_end\n"
        "rumpk_host_wait_end:\n"
        "1:\n"
        "ret\n"
        :
        : [pause] "i"(34)); // pause(2): x86-64's number
}

[[gnu::naked]] void rumpk_host_fault_entry() {
    asm("fninit\n"
        "ldmxcsr rumpk_host_mxcsr(%rip)\n"
        "xor %ebp, %ebp\n"
        "call rumpk_host_fault\n"
        "ud2\n");
}

} // extern "C"
} // namespace rumpk::hal
