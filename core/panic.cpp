// SPDX-License-Identifier: Apache-2.0
#include "core/panic.h"

#include "abi/console.h"
#include "core/cell.h"
#include "core/console.h"
#include "core/log.h"
#include "core/remote.h"
#include "core/trace.h"

namespace rumpk {

namespace {

constexpr unsigned most_frames = 16;
// By core: it panics. A fault in a panic must not begin another. Written by that core.
std::array<Shared<bool>, HAL_MAX_CORES> panicking{};

// Where the frames of a backtrace may lie: the stack that the frame pointer is
// on, and no other memory, so that a wild frame pointer cannot fault again.
AddressRange stack_around(VirtAddr address) {
    auto* const scheduler = static_cast<Scheduler*>(machine().core_local());
    if (scheduler == nullptr) {
        return {};
    }
    if (const Fiber* fiber = scheduler->running(); fiber != nullptr && fiber->stack.contains(address)) {
        return fiber->stack;
    }
    if (scheduler->kernel_stack().contains(address)) {
        return scheduler->kernel_stack();
    }
    for (const AddressRange& stack : scheduler->interrupt_stack_ranges()) {
        if (stack.contains(address)) {
            return stack;
        }
    }
    return {};
}

uint64_t word_at(VirtAddr address) {
    return *static_cast<const uint64_t*>(AddressRange{address, sizeof(uint64_t)}.pointer());
}

void print_frame(unsigned number, uint64_t pc) {
    print("  #%lu 0x%016lx", uint64_t{number}, pc);
}

// Return addresses point behind the call; the runner looks up the byte before.
void print_backtrace(uint64_t pc, uint64_t frame_pointer) {
    unsigned number = 0;
    print_frame(number++, pc);
    VirtAddr frame{frame_pointer};
    const AddressRange stack = stack_around(frame - 1); // a frame pointer may stand at the very top
    while (number < most_frames && frame.is_aligned(sizeof(uint64_t))) {
        const VirtAddr previous = frame + static_cast<uint64_t>(int64_t{machine().boot->frame_previous});
        const VirtAddr caller = frame + static_cast<uint64_t>(int64_t{machine().boot->frame_return});
        if (!stack.contains(AddressRange{previous, sizeof(uint64_t)}) ||
            !stack.contains(AddressRange{caller, sizeof(uint64_t)})) {
            break;
        }
        const uint64_t return_address = word_at(caller);
        if (return_address == 0) {
            break;
        }
        print_frame(number++, return_address - 1);
        const VirtAddr next{word_at(previous)};
        if (next <= frame) {
            break; // stacks grow down: callers lie above
        }
        frame = next;
    }
}

void print_registers(const hal_fault& fault) {
    constexpr unsigned per_line = 3;
    for (uint32_t i = 0; i < fault.count; i += per_line) {
        KernelLine line;
        for (uint32_t k = i; k < fault.count && k < i + per_line; ++k) {
            line.format("  %-4s0x%016lx", fault.name[k], fault.value[k]);
        }
        print(line);
    }
}

const Fiber* running_fiber() {
    auto* const scheduler = static_cast<Scheduler*>(machine().core_local());
    return scheduler != nullptr ? scheduler->running() : nullptr;
}

// "fiber main of cell hello", "the kernel's fiber console", "no fiber".
void append_who(Line& line, const Fiber* fiber) {
    if (fiber == nullptr) {
        line.text("no fiber");
    } else if (fiber->cell == nullptr) {
        line.format("the kernel's fiber %.*s", RUMPK_TEXT(fiber_name(*fiber)));
    } else {
        line.format("fiber %.*s of cell %.*s", RUMPK_TEXT(fiber_name(*fiber)),
                    RUMPK_TEXT(fiber->cell->name()));
    }
}

// Of cores that panic at one time one is heard: the one-bit algorithm of Burns and Lamport, in which nobody
// who has given way comes back.
void give_way(uint32_t self) {
    for (uint32_t core = 0; core < self; ++core) {
        if (panicking[core]) {
            panicking[self] = false;
            stop_here();
        }
    }
    for (uint32_t core = self + 1; core < machine().boot->cores; ++core) {
        while (panicking[core]) { // it sees this one and gives way, or is heard already and ends the machine
        }
    }
}

void begin() {
    (void)machine().interrupts_mask();
    const uint32_t self = machine().core_index();
    if (panicking[self]) {
        machine().power_off(RUMPK_EXIT_PANIC);
    }
    panicking[self] = true;
    note_stopped(); // nor does one that panics as well wait for this one's message
    // Each says so before it looks at the others: without the fence two might not see each other.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (parts::cores) {
        give_way(self);
    }
    stop_other_cores();
    wait_until_stopped(); // what they are printing comes before
    console().begin_panic();
}

[[noreturn]] void end() {
    send_traces();
    console().put_exit(RUMPK_EXIT_PANIC);
    machine().power_off(RUMPK_EXIT_PANIC);
    __builtin_unreachable();
}

bool in_kernel_text(uint64_t pc) {
    return pc >= machine().boot->kernel_text_base && pc < machine().boot->kernel_text_end;
}

// A stack overflow shows as an access to the guard page below a stack.
const Fiber* overflowed(uint64_t address) {
    for (const Cell& cell : cells()) {
        if (const Fiber* fiber = cell.guard_owner(VirtAddr{address}); fiber != nullptr) {
            return fiber;
        }
    }
    return nullptr;
}

} // namespace

void panic(std::string_view what) {
    begin();
    KernelLine line;
    append_who(line.format("panic: %.*s, in ", RUMPK_TEXT(what)), running_fiber());
    print(line);
    print_backtrace(reinterpret_cast<uintptr_t>(__builtin_return_address(0)),
                    reinterpret_cast<uintptr_t>(__builtin_frame_address(0)));
    end();
}

void panic_fiber(const Fiber& fiber, std::string_view what) {
    begin();
    KernelLine line;
    append_who(line.text("panic: "), &fiber);
    print(line.text(": ").text(what));
    end();
}

void panic_fault(const hal_fault& fault) {
    begin();
    KernelLine line;
    if (const Fiber* fiber = overflowed(fault.address); fiber != nullptr) {
        append_who(line.text("panic: stack overflow of "), fiber);
        line.format(", %s", fault.what);
    } else {
        const bool ours = in_kernel_text(fault.pc) || fault.nested != 0;
        append_who(line.format("panic: %s in %s", fault.what, ours ? "the kernel, " : ""), running_fiber());
    }
    print(line);
    print("  at 0x%016lx, address 0x%016lx, cause %lu", fault.pc, fault.address, fault.cause);
    print_registers(fault);
    print("backtrace:");
    print_backtrace(fault.pc, fault.frame_pointer);
    end();
}

} // namespace rumpk
