// SPDX-License-Identifier: Apache-2.0
//
// What lies on the stacks of contexts that do not run.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hal/arch/aarch64/layout.h"

namespace rumpk::hal {

// Pushed by the trap entry on the interrupt or emergency stack. An interrupt
// fills only the caller-saved integer registers: the handlers are compiled code
// and keep the rest. A fault fills all.
struct TrapFrame {
    uint64_t x[31];
    uint64_t sp;     // SP_EL0 of what was interrupted
    uint64_t status; // SPSR_EL1
    uint64_t where;  // FAULT_*: where a fault came from; of an interrupt in a kernel with user
                     // privilege: Core.call_stack (user.S)
    // The frame record that backtraces walk through into what was interrupted.
    uint64_t previous; // x29
    uint64_t pc;       // ELR_EL1
};
static_assert(offsetof(TrapFrame, x) == 0 && sizeof(uint64_t) == REGISTER_SIZE);
static_assert(offsetof(TrapFrame, sp) == FRAME_SP);
static_assert(offsetof(TrapFrame, status) == FRAME_STATUS);
static_assert(offsetof(TrapFrame, where) == FRAME_WHERE);
static_assert(offsetof(TrapFrame, previous) == FRAME_PREVIOUS);
static_assert(offsetof(TrapFrame, pc) == FRAME_PC);
static_assert(sizeof(TrapFrame) == FRAME_SIZE && FRAME_SIZE % 16 == 0);

// Pushed by the gate (user.S) at the top of the stack on which a program's call runs: what the calling
// convention says a callee preserves and compiled code does not.
struct CallFrame {
    uint64_t sp;       // SP_EL0
    uint64_t lr;       // x30
    uint64_t previous; // as in TrapFrame: x29 and ELR_EL1
    uint64_t pc;
};
static_assert(offsetof(CallFrame, sp) == CALL_SP);
static_assert(offsetof(CallFrame, lr) == CALL_LR);
static_assert(offsetof(CallFrame, previous) == CALL_PREVIOUS);
static_assert(offsetof(CallFrame, pc) == CALL_PC);
static_assert(sizeof(CallFrame) == CALL_SIZE && CALL_SIZE % 16 == 0);

// Pushed by context_switch and built by context_make: what a callee preserves
// (AAPCS64, 6.1: x19-x28, frame pointer and link register, the low halves of
// v8-v15), and three things that belong to the fiber: its thread pointer, and
// FPCR and FPSR, because rounding mode and exception flags are a thread's own
// (C17 7.6): a yield must not leave another fiber's mode behind.
struct SwitchFrame {
    uint64_t x19[12]; // x19-x30
    uint64_t d8[8];   // d8-d15
    uint64_t fpcr;
    uint64_t fpsr;
    uint64_t tpidr; // TPIDR_EL0
    uint64_t entry; // of one that has not begun: all that it has besides is its argument, x19[0]. 0: it has
};
static_assert(offsetof(SwitchFrame, x19) == 0 && SWITCH_ARGUMENT == 0);
static_assert(offsetof(SwitchFrame, entry) == SWITCH_ENTRY && SWITCH_ENTRY == SWITCH_TPIDR + 8);
static_assert(offsetof(SwitchFrame, d8) == SWITCH_D);
static_assert(offsetof(SwitchFrame, fpcr) == SWITCH_FPCR);
static_assert(offsetof(SwitchFrame, fpsr) == SWITCH_FPSR);
static_assert(offsetof(SwitchFrame, tpidr) == SWITCH_TPIDR);
static_assert(sizeof(SwitchFrame) == SWITCH_SIZE && SWITCH_SIZE % 16 == 0);

// Pushed by context_preempt below the TrapFrame and above a SwitchFrame: the
// vector registers. All of them: of v8-v15 a switch keeps the low halves only.
struct alignas(16) PreemptFrame {
    uint64_t q[32][2];
    uint64_t lr;
    uint64_t padding;
};
static_assert(offsetof(PreemptFrame, q) == 0);
static_assert(offsetof(PreemptFrame, lr) == PREEMPT_LR);
static_assert(sizeof(PreemptFrame) == PREEMPT_SIZE);

} // namespace rumpk::hal
