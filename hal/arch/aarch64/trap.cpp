// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>

#include "abi/call.h"
#include "abi/console.h"
#include "hal/arch/aarch64/devices.h"
#include "hal/arch/aarch64/frame.h"
#include "hal/arch/aarch64/sysreg.h"
#include "hal/board/arch.h"
#include "hal/board/clock.h"
#include "hal/board/memory.h"
#include "hal/board/page_format.h"
#include "hal/board/report.h"
#include "hal/texts.h"

extern "C" const char hal_trap_vectors[];

namespace rumpk::hal {

constinit const hal_events* trap_events = nullptr;

constinit Clock clock;

namespace {

// ESR_EL1 (D19.2.37)
constexpr uint64_t class_of(uint64_t syndrome) {
    return syndrome >> 26 & 63;
}
constexpr bool is_instruction_abort(uint64_t what) { // from EL0, from EL1
    return what == 0x20 || what == 0x21;
}
constexpr bool is_data_abort(uint64_t what) {
    return what == 0x24 || what == 0x25;
}
constexpr uint64_t status_of(uint64_t syndrome) { // of both aborts
    return syndrome & 63;
}
constexpr uint64_t status_alignment = 0x21;
constexpr bool is_translation(uint64_t status) { // at level 0 to 3
    return (status & 0x3c) == 0x04;
}
constexpr bool is_page_fault(uint64_t status) { // translation, access flag, permission
    return status >= 0x04 && status <= 0x0f;
}
constexpr uint64_t wrote = 1 << 6;

const char* abort_name(uint64_t syndrome, bool fetch) {
    constexpr const char* names = "load address misaligned\0"
                                  "store address misaligned\0"
                                  "instruction address misaligned\0"
                                  "load page fault\0"
                                  "store page fault\0"
                                  "instruction page fault\0"
                                  "load access fault\0"
                                  "store access fault\0"
                                  "instruction access fault";
    uint64_t status = status_of(syndrome);
    uint64_t kind = status == status_alignment ? 0 : is_page_fault(status) ? 1 : 2;
    return text_in(names, static_cast<uint32_t>(3 * kind + (fetch ? 2 : (syndrome & wrote) != 0 ? 1 : 0)));
}

const char* name_of(uint64_t syndrome) {
    switch (class_of(syndrome)) {
    case 0x00:
    case 0x01: // WFI of EL0
    case 0x0e:
    case 0x18:
        return "illegal instruction";
    case 0x15:
        return "call from kernel mode";
    case 0x20:
    case 0x21:
        return abort_name(syndrome, true);
    case 0x22:
        return "instruction address misaligned";
    case 0x24:
    case 0x25:
        return abort_name(syndrome, false);
    case 0x26:
        return "stack pointer misaligned";
    case 0x2c:
        return "floating-point exception";
    case 0x2f:
        return "system error";
    case 0x3c:
        return "breakpoint";
    default:
        return "unknown fault";
    }
}

// FAR_EL1 says something after aborts and misaligned jumps alone.
uint64_t address_of(uint64_t syndrome) {
    uint64_t what = class_of(syndrome);
    bool has_address = is_instruction_abort(what) || is_data_abort(what) || what == 0x22;
    return has_address ? read_far() : 0;
}

// NOLINTNEXTLINE(bugprone-string-literal-with-embedded-nul): a name behind each, not a hexadecimal escape
constexpr const char* register_names = "x0\0x1\0x2\0x3\0x4\0x5\0x6\0x7\0x8\0x9\0x10\0x11\0x12\0x13\0x14\0x15"
                                       "\0x16\0x17\0x18\0x19\0x20\0x21\0x22\0"
                                       "x23\0x24\0x25\0x26\0x27\0x28\0fp\0lr\0sp\0spsr";
constexpr uint32_t register_count = 33; // x0..x30, sp, SPSR_EL1
static_assert(register_count <= HAL_REGISTERS && offsetof(TrapFrame, sp) == 31 * sizeof(uint64_t) &&
              offsetof(TrapFrame, status) == 32 * sizeof(uint64_t));

void describe(const TrapFrame& frame, hal_fault& fault) {
    fault.cause = read_esr();
    fault.what = name_of(fault.cause);
    fault.pc = frame.pc;
    fault.address = address_of(fault.cause);
    fault.stack_pointer = frame.sp;
    fault.frame_pointer = frame.previous;
    fault.count = register_count;
    fault.names = register_names;
    fault.where = static_cast<uint32_t>(frame.where);
    fault.value = frame.x; // sp and status behind them
}

[[noreturn]] void give_up(const char* where, uint64_t pc) {
    static constinit std::atomic<uint32_t> tries = 0;
    // Plain loads and stores: this may be before memory is cached, where exclusives do not work.
    const uint32_t before = tries.load(std::memory_order_relaxed);
    tries.store(before + 1, std::memory_order_relaxed);
    end_faulted({name_of(read_esr()), where, pc, address_of(read_esr())}, before);
}

} // namespace

// A preemption's frames or a fault's report, whichever is larger, and what the functions here push.
constexpr uint32_t trap_stack_size =
    sizeof(TrapFrame) + std::max(sizeof(PreemptFrame) + sizeof(SwitchFrame), sizeof(hal_fault)) + 256;

void trap_catch_faults() {
    write_vbar(reinterpret_cast<uint64_t>(hal_trap_vectors));
    isb();
}

const char* timer_begin(const MachineTree&) {
    clock = Clock(read_cntfrq());
    return "virtual timer";
}

void trap_begin() {
    write_timer_control(0);
}

void start(const hal_events* wanted) {
    trap_events = wanted;
}

uint64_t interrupts_mask() {
    constexpr uint64_t irq = 1 << 7; // D19.2.24
    uint64_t before = read_daif();
    asm volatile("msr daifset, %0" ::"i"(DAIF_IRQ) : "memory");
    return ~before & irq;
}

void interrupts_restore(uint64_t before) {
    if (before != 0) {
        asm volatile("msr daifclr, %0" ::"i"(DAIF_IRQ) : "memory");
    }
}

// D1.6: WFI ends when an interrupt is pending, whether PSTATE.I lets it through or not.
void interrupts_wait() {
    asm volatile("dsb sy\n\twfi" ::: "memory");
}

void interrupt_stack(void* stack_base, uint64_t stack_size) {
    auto base = reinterpret_cast<uint64_t>(stack_base);
    uint64_t top = base + stack_size;
    // A stack that is not there must fault here, where the report has a stack: in the trap
    // entry it would be lost. Only touched, not changed: this may be the stack of the
    // handler that is about to return.
    for (uint64_t word : {top - sizeof(TrapFrame), top - sizeof(uint64_t)}) {
        uint64_t value;
        asm volatile("ldr %0, [%1]\n\tstr %0, [%1]" : "=&r"(value) : "r"(word) : "memory");
    }
    Core& core = this_core();
    core.interrupt_base = base;
    core.interrupt_top = top;
}

uint64_t now() {
    return clock.nanoseconds(read_counter());
}

// Without the barrier of `now`: a few instructions early or late make no difference to a sum of run times.
// Since reset: not 0 any more once core/ runs.
uint64_t ticks() {
    return read_counter_soon();
}

uint64_t ticks_ns(uint64_t ticks) {
    return clock.nanoseconds(ticks);
}

// D12.2: the virtual timer. Its interrupt is asserted as long as it is enabled, not masked, and
// the counter has reached the value, which may be at once.
void timer_set(uint64_t when) {
    if (when == RUMPK_NEVER) {
        write_timer_control(0);
        return;
    }
    write_timer_value(clock.ticks(when));
    write_timer_control(1);
}

} // namespace rumpk::hal

using namespace rumpk::hal;

extern "C" void hal_trap_interrupt() {
    uint32_t line = interrupt_claim();
    switch (line) {
    case line_timer:
        write_timer_control(0);
        interrupt_done(line);
        trap_events->timer();
        break;
    case line_message:
        // First done, then served: a bell from here on raises it again. The barrier pairs with
        // core_wake's: without it the handler could load what was there before the bell, the old
        // `rung` too, and no bell would come any more.
        interrupt_done(line);
        asm volatile("dsb sy" ::: "memory");
        // acquire: pairs with core_wake, whose interrupt may have been left to an earlier one's.
        this_core().rung.exchange(0, std::memory_order_acquire);
        trap_events->message();
        break;
    case line_none:
        break;
    default:
        trap_events->device(line); // which calls device_done
    }
    trap_events->interrupt_exit();
}

extern "C" void hal_trap_fault(const TrapFrame* frame) {
    // A mapping that another core was changing while this one went through it (page_format::before_cut):
    // it stands by now or soon. What is not mapped is reported.
    uint64_t syndrome = read_esr();
    bool abort = is_data_abort(class_of(syndrome)) || is_instruction_abort(class_of(syndrome));
    uint64_t root = page_format::physical_of(read_ttbr0());
    if (abort && is_translation(status_of(syndrome)) && memory_may_be_mapped(root, read_far())) {
        return;
    }
    if (frame->where == FAULT_REPORT) {
        give_up(" within the report of a fault", frame->pc);
    }
    if (trap_events == nullptr) {
        give_up(" during boot", frame->pc);
    }
    hal_fault fault;
    describe(*frame, fault);
    trap_events->fault(&fault);
}

extern "C" [[noreturn]] void hal_trap_give_up() {
    give_up(" within the entry of an exception", 0);
}
