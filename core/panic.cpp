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

const Fiber* running_fiber() {
    auto* const scheduler = static_cast<Scheduler*>(machine().core_local());
    return scheduler != nullptr ? scheduler->running() : nullptr;
}

// Where the frames of a backtrace may lie: the stack that the frame pointer is
// on, and no other memory, so that a wild frame pointer cannot fault again. `fiber`: whose it may be.
AddressRange stack_around(VirtAddr address, const Fiber* fiber) {
    auto* const scheduler = static_cast<Scheduler*>(machine().core_local());
    if (scheduler == nullptr) {
        return {};
    }
    if (fiber != nullptr) {
        if (fiber->stack.contains(address)) {
            return fiber->stack;
        }
        if (parts::cells && fiber->cell != nullptr) {
            const AddressRange calls = fiber->cell->call_stack(fiber->cell->slot_of(*fiber));
            if (calls.contains(address)) {
                return calls;
            }
        }
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

// A word of such a stack. A cell's may be the kernel's to touch elsewhere only.
uint64_t word_at(VirtAddr address, const Fiber* fiber) {
    AddressRange word{address, sizeof(uint64_t)};
    if (parts::cells && fiber != nullptr && fiber->cell != nullptr && fiber->stack.contains(word)) {
        word = fiber->cell->reached(word);
    }
    return *static_cast<const uint64_t*>(word.pointer());
}

void print_frame(unsigned number, uint64_t pc) {
    print("  #%lu 0x%016lx", uint64_t{number}, pc);
}

// A return address points behind its call, which may be another function: what is printed lies within the
// call.
uint64_t call_before(uint64_t return_address) {
    return return_address - 1;
}

// `pc`: an address in the innermost function, as it is printed.
void print_backtrace(uint64_t pc, uint64_t frame_pointer, const Fiber* fiber) {
    unsigned number = 0;
    print_frame(number++, pc);
    VirtAddr frame{frame_pointer};
    const AddressRange stack = stack_around(frame - 1, fiber); // a frame pointer may stand at the very top
    while (number < most_frames && frame.is_aligned(sizeof(uint64_t))) {
        const VirtAddr previous = frame + static_cast<uint64_t>(int64_t{machine().boot->frame_previous});
        const VirtAddr caller = frame + static_cast<uint64_t>(int64_t{machine().boot->frame_return});
        if (!stack.contains(AddressRange{previous, sizeof(uint64_t)}) ||
            !stack.contains(AddressRange{caller, sizeof(uint64_t)})) {
            break;
        }
        const uint64_t return_address = word_at(caller, fiber);
        if (return_address == 0) {
            break;
        }
        print_frame(number++, call_before(return_address));
        const VirtAddr next{word_at(previous, fiber)};
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
            line.format("  %-3s 0x%016lx", text_in(fault.names, k), fault.value[k]);
        }
        print(line);
    }
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
    const Fiber* const fiber = running_fiber();
    KernelLine line;
    append_who(line.format("panic: %.*s, in ", RUMPK_TEXT(what)), fiber);
    print(line);
    print_backtrace(call_before(reinterpret_cast<uintptr_t>(__builtin_return_address(0))),
                    reinterpret_cast<uintptr_t>(__builtin_frame_address(0)), fiber);
    end();
}

void panic_fiber(const Fiber& fiber, std::string_view what) {
    begin();
    KernelLine line;
    append_who(line.text("panic: "), &fiber);
    print(line.text(": ").text(what));
    end();
}

namespace {

void print_fault(const hal_fault& fault, const Fiber* fiber) {
    print("  at 0x%016lx, address 0x%016lx, cause %lu", fault.pc, fault.address, fault.cause);
    print_registers(fault);
    print("backtrace:");
    print_backtrace(fault.pc, fault.frame_pointer, fiber);
}

} // namespace

void panic_fault(const hal_fault& fault) {
    begin();
    KernelLine line;
    if (const Fiber* fiber = overflowed(fault.address); fiber != nullptr) {
        append_who(line.text("panic: stack overflow of "), fiber);
        line.format(", %s", fault.what);
    } else {
        const bool ours = in_kernel_text(fault.pc) || fault.where == HAL_FAULT_HANDLER;
        append_who(line.format("panic: %s in %s", fault.what, ours ? "the kernel, " : ""), running_fiber());
    }
    print(line);
    print_fault(fault, running_fiber());
    end();
}

void report_fault(const hal_fault& fault, const Fiber& fiber) {
    const Fiber* const deep = overflowed(fault.address);
    const Fiber& named = deep != nullptr ? *deep : fiber;
    print("cell %.*s: fiber %.*s: %s%s; the cell ends", RUMPK_TEXT(fiber.cell->name()),
          RUMPK_TEXT(fiber_name(named)), deep != nullptr ? "stack overflow, " : "", fault.what);
    print_fault(fault, &fiber);
}

} // namespace rumpk
