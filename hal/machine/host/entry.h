// SPDX-License-Identifier: Apache-2.0
// The interrupt entry: what stands between an interrupted context and the events,
// and the three stretches of code at which a signal handler must look.
#ifndef RUMPK_HAL_MACHINE_HOST_ENTRY_H
#define RUMPK_HAL_MACHINE_HOST_ENTRY_H

#include "hal/machine/host/core.h"

namespace rumpk::hal {

// The interrupted context's registers, at the top of the interrupt stack. The
// return path pops them in this order; the last five words are what IRETQ takes
// (AMD64 APM volume 3, IRET). rbp and rip stand together like any other frame of a
// backtrace, which so walks on into the interrupted code.
struct InterruptFrame {
    Core* core;
    uint64_t vector_state; // address of the XSAVE area, below the frame
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rdx, rcx, rbx, rax, rbp;
    uint64_t rip, cs, rflags, rsp, ss;
};
static_assert(sizeof(InterruptFrame) == 176 && sizeof(InterruptFrame) % 16 == 0);
static_assert(offsetof(InterruptFrame, rip) == offsetof(InterruptFrame, rbp) + 8);

// Which parts of the vector state XSAVE saves, and the bytes that takes. Ends the
// process where the CPU has no XSAVE.
void vector_state_measure();
[[nodiscard]] uint64_t vector_state_size();

extern "C" {

// With rsp at an InterruptFrame whose `core` is set, masked.
void rumpk_host_interrupt_entry();

// The same for a context that an interrupt found inside [return_begin, return_end):
// rbx is its frame, rsp the frame's vector_state. What the return path had loaded
// already is still in the frame.
void rumpk_host_interrupt_again();
extern const char rumpk_host_return_begin[];
extern const char rumpk_host_return_end[];

// Sleeps until a signal comes, unless *pending is not 0. A signal handler that
// finds itself inside [wait_begin, wait_end) goes on at wait_end, so that none
// falls between the look and the sleep.
void rumpk_host_wait(const std::atomic<uint32_t>* pending);
extern const char rumpk_host_wait_begin[];
extern const char rumpk_host_wait_end[];

// With rdi = the core, on its fault stack, masked.
void rumpk_host_fault_entry();

// What the entries call: their assembly is nothing that a compiler of the whole program looks into.
[[gnu::used]] int64_t rumpk_host_interrupt_batch(void* core);
[[noreturn, gnu::used]] void rumpk_host_fault(Core* core);
}

} // namespace rumpk::hal

#endif
