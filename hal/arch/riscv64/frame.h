// SPDX-License-Identifier: Apache-2.0
//
// What lies on the stacks of contexts that do not run.
#pragma once

#include <cstddef>
#include <cstdint>

#include "hal/arch/riscv64/layout.h"

namespace rumpk::hal {

// Pushed by the trap entry on the interrupt or emergency stack. An interrupt
// fills only the caller-saved integer registers: the handlers are compiled code
// and keep the rest. A fault fills all.
struct TrapFrame {
    uint64_t x[32];  // x[n] is register xn; x[2] the interrupted sp in both cases; x[0], of an interrupt
                     // in a kernel with user privilege: Core.call_stack (user.S)
    uint64_t status; // sstatus
    uint64_t where;  // FAULT_*: where a fault came from
    // The two words that a frame pointer points behind, so that backtraces walk
    // through the trap into what was interrupted.
    uint64_t previous; // s0
    uint64_t pc;       // sepc
};
static_assert(offsetof(TrapFrame, x) == 0 && sizeof(uint64_t) == REGISTER_SIZE);
static_assert(offsetof(TrapFrame, status) == FRAME_STATUS);
static_assert(offsetof(TrapFrame, where) == FRAME_WHERE);
static_assert(offsetof(TrapFrame, previous) == FRAME_PREVIOUS);
static_assert(offsetof(TrapFrame, pc) == FRAME_PC);
static_assert(sizeof(TrapFrame) == FRAME_SIZE && FRAME_SIZE % 16 == 0);

// Pushed by the gate (user.S) at the top of the stack on which a program's call runs: what the calling
// convention says a callee preserves and compiled code does not.
struct CallFrame {
    uint64_t sp;
    uint64_t gp;
    uint64_t ra;
    uint64_t padding;
    uint64_t previous; // as in TrapFrame: s0 and sepc
    uint64_t pc;
};
static_assert(offsetof(CallFrame, sp) == CALL_SP);
static_assert(offsetof(CallFrame, gp) == CALL_GP);
static_assert(offsetof(CallFrame, ra) == CALL_RA);
static_assert(offsetof(CallFrame, previous) == CALL_PREVIOUS);
static_assert(offsetof(CallFrame, pc) == CALL_PC);
static_assert(sizeof(CallFrame) == CALL_SIZE && CALL_SIZE % 16 == 0);

// Below the stack pointer of a context that does not run, written by context_switch and context_make: what
// the calling convention says a callee preserves, and two things that belong to the fiber: tp, and fcsr,
// because rounding mode and exception flags are a thread's own (C17 7.6, POSIX fegetenv): a yield must not
// leave another fiber's mode behind.
struct SwitchFrame {
    uint64_t s[12];
    uint64_t ra;
    uint64_t tp;
    uint64_t fcsr; // these two only where it has written an FP register since its beginning
    uint64_t fs[12];
    int64_t how; // it goes on: layout.h
};
static_assert(offsetof(SwitchFrame, s) == 0 && SWITCH_ENTRY == 8 && SWITCH_ARGUMENT == 16);
static_assert(offsetof(SwitchFrame, ra) == SWITCH_RA);
static_assert(offsetof(SwitchFrame, tp) == SWITCH_TP);
static_assert(offsetof(SwitchFrame, fcsr) == SWITCH_FCSR);
static_assert(offsetof(SwitchFrame, fs) == SWITCH_FS);
static_assert(offsetof(SwitchFrame, how) == SWITCH_HOW);
static_assert(sizeof(SwitchFrame) == SWITCH_SIZE && SWITCH_SIZE % 16 == 0);

// Pushed by context_preempt below the TrapFrame and above a SwitchFrame: the
// caller-saved FP registers, which neither of these has.
struct PreemptFrame {
    uint64_t ft[12];
    uint64_t fa[8];
    uint64_t ra;
    uint64_t scratch; // target of the store that ends a reservation
    uint64_t status;  // sstatus; where its highest bit is clear there was nothing in ft and fa
    uint64_t padding;
};
static_assert(offsetof(PreemptFrame, ft) == 0);
static_assert(offsetof(PreemptFrame, fa) == PREEMPT_FA);
static_assert(offsetof(PreemptFrame, ra) == PREEMPT_RA);
static_assert(offsetof(PreemptFrame, scratch) == PREEMPT_SCRATCH);
static_assert(offsetof(PreemptFrame, status) == PREEMPT_STATUS);
static_assert(sizeof(PreemptFrame) == PREEMPT_SIZE && PREEMPT_SIZE % 16 == 0);

} // namespace rumpk::hal
