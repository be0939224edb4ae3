// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <initializer_list>
#include <iterator>

#include "abi/call.h"
#include "abi/console.h"
#include "hal/arch/riscv64/csr.h"
#include "hal/arch/riscv64/devices.h"
#include "hal/arch/riscv64/frame.h"
#include "hal/arch/riscv64/platform.h"
#include "hal/board/arch.h"
#include "hal/board/clock.h"
#include "hal/board/report.h"
#include "hal/texts.h"

extern "C" {
void hal_trap_entry();
}

namespace rumpk::hal {

constinit const hal_events* trap_events = nullptr;

constinit Clock clock;

namespace {

constexpr uint64_t never = RUMPK_NEVER;

// 4.1.8, table 4.2. Places, not a list to walk along: a fault of a program's masks interrupts.
const char* name_of(uint64_t cause) {
    constexpr const char* names[] = {
        "instruction address misaligned",
        "instruction access fault",
        "illegal instruction",
        "breakpoint",
        "load address misaligned",
        "load access fault",
        "store address misaligned",
        "store access fault",
        "call from user mode",
        "call from supervisor mode",
        nullptr,
        nullptr,
        "instruction page fault",
        "load page fault",
        nullptr,
        "store page fault",
    };
    const char* name = cause < std::size(names) ? names[cause] : nullptr;
    return name != nullptr ? name : "unknown fault";
}

constexpr const char* register_names =
    "ra\0sp\0gp\0tp\0t0\0t1\0t2\0s0\0s1\0a0\0a1\0a2\0a3\0a4\0a5\0a6\0"
    "a7\0s2\0s3\0s4\0s5\0s6\0s7\0s8\0s9\0s10\0s11\0t3\0t4\0t5\0t6\0" RUMPK_CSR_NAME(XSTATUS);
constexpr uint32_t register_count = 32; // x1..x31, and xstatus
static_assert(register_count <= HAL_REGISTERS && offsetof(TrapFrame, status) == 32 * sizeof(uint64_t));

void describe(const TrapFrame& frame, hal_fault& fault) {
    fault.cause = read_cause();
    fault.what = name_of(fault.cause);
    fault.pc = frame.pc;
    fault.address = read_tval();
    fault.stack_pointer = frame.x[2];
    fault.frame_pointer = frame.x[8];
    fault.count = register_count;
    fault.where = static_cast<uint32_t>(frame.where);
    fault.names = register_names;
    fault.value = frame.x + 1; // and status behind them
}

[[noreturn]] void give_up(const char* where, const TrapFrame& frame) {
    static constinit std::atomic<uint32_t> tries = 0;
    end_faulted({name_of(read_cause()), where, frame.pc, read_tval()},
                tries.fetch_add(1, std::memory_order_relaxed));
}

} // namespace

// A preemption's frames or a fault's report, whichever is larger, and what the functions here push.
constexpr uint32_t trap_stack_size =
    sizeof(TrapFrame) + std::max(sizeof(PreemptFrame) + sizeof(SwitchFrame), sizeof(hal_fault)) + 256;

void trap_catch_faults() {
    write_tvec(reinterpret_cast<uint64_t>(&hal_trap_entry));
}

const char* timer_begin(const MachineTree& tree) {
    clock = Clock(tree.timebase);
    return platform::timer_begin(tree);
}

void trap_begin() {
    set_ie(interrupt_bit(cause_external) | interrupt_bit(cause_software));
}

void start(const hal_events* wanted) {
    trap_events = wanted;
    trap_begin();
}

uint64_t interrupts_mask() {
    uint64_t before;
    asm volatile("csrrc %0, " RUMPK_CSR_NAME(XSTATUS) ", %1" : "=r"(before) : "rK"(status_ie) : "memory");
    return before & status_ie;
}

void interrupts_restore(uint64_t before) {
    if (before != 0) {
        set_status(status_ie);
    }
}

// 3.3.3: WFI ends when an enabled interrupt is pending, whether xstatus.IE lets it through or not.
void interrupts_wait() {
    asm volatile("wfi" ::: "memory");
}

void interrupt_stack(void* stack_base, uint64_t stack_size) {
    auto base = reinterpret_cast<uint64_t>(stack_base);
    uint64_t top = base + stack_size;
    // A stack that is not there must fault here, where the report has a stack: in the trap
    // entry it would fault for ever. Only touched, not changed: this may be the stack of the
    // handler that is about to return.
    uint64_t value;
    asm volatile("ld %0, 0(%1)\n\tsd %0, 0(%1)" : "=&r"(value) : "r"(top - sizeof(TrapFrame)) : "memory");
    asm volatile("ld %0, 0(%1)\n\tsd %0, 0(%1)" : "=&r"(value) : "r"(top - sizeof(uint64_t)) : "memory");
    Core& core = this_core();
    core.interrupt_base = base;
    core.interrupt_top = top;
}

uint64_t now() {
    return clock.nanoseconds(read_time());
}

// Since reset: not 0 any more once core/ runs.
uint64_t ticks() {
    return read_time();
}

uint64_t ticks_ns(uint64_t ticks) {
    return clock.nanoseconds(ticks);
}

void timer_set(uint64_t when) {
    if (when == never) {
        clear_ie(interrupt_bit(cause_timer));
        platform::timer_program(~uint64_t{0});
        return;
    }
    set_ie(interrupt_bit(cause_timer)); // masked: an old compare value disturbs nobody
    // 0, at once, follows something long.
    platform::timer_program(when != 0 ? clock.ticks(when) : 0);
}

} // namespace rumpk::hal

using namespace rumpk::hal;

extern "C" void hal_trap_interrupt(uint64_t cause) {
    constexpr uint64_t interrupt = uint64_t{1} << 63;
    cause &= ~interrupt;
    // Of those that are pending the software interrupt ranks above the timer's (privileged specification,
    // 4.1.3), and a core that has more messages rings itself: it would keep its own timer away. One-shot, the
    // timer keeps nobody away.
    if (cause == cause_software && (read_ip() & read_ie() & interrupt_bit(cause_timer)) != 0) {
        cause = cause_timer;
    }
    switch (cause) {
    case cause_timer:
        // Disarmed by its enable bit: cheaper than a call of firmware, and a compare value that
        // stays in the past disturbs nobody.
        clear_ie(interrupt_bit(cause_timer));
        trap_events->timer();
        break;
    case cause_external:
        if (uint32_t line = device_claim()) {
            trap_events->device(line);
        }
        break;
    case cause_software:
        // First cleared, then served: a bell from here on raises it again.
        platform::bell_taken();
        // Pairs with the fence of platform::ring: without it the handler could load what was there
        // before the bell. A CSR write is ordered as device output (unprivileged specification,
        // 9.1): a later bell must not be cleared after the handler has looked.
        asm volatile("fence iorw, iorw" ::: "memory");
        // acquire: pairs with core_wake, whose interrupt may have been left to an earlier one's.
        this_core().rung.exchange(0, std::memory_order_acquire);
        trap_events->message();
        break;
    default:
        break; // no other is enabled
    }
    trap_events->interrupt_exit();
}

extern "C" void hal_trap_fault(const TrapFrame* frame) {
    if (frame->where == FAULT_REPORT) {
        give_up(" within the report of a fault", *frame);
    }
    if (trap_events == nullptr) {
        give_up(" during boot", *frame);
    }
    hal_fault fault;
    describe(*frame, fault);
    trap_events->fault(&fault);
}
