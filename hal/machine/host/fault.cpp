// SPDX-License-Identifier: Apache-2.0
#include "hal/machine/host/fault.h"

#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "abi/console.h"
#include "hal/machine/host/entry.h"
#include "hal/machine/host/message.h"
#include "hal/machine/host/stacks.h"

namespace rumpk::hal {
namespace {

constexpr int fault_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};

// Exception vectors and the page fault's error code (AMD64 APM volume 2, 8.2 and 8.4.2).
constexpr uint64_t vector_page_fault = 14;
constexpr uint64_t error_write = 1u << 1;
constexpr uint64_t error_fetch = 1u << 4;

constexpr const char* vector_names[] = {
    "divide error",
    "debug exception",
    "non-maskable interrupt",
    "breakpoint",
    "overflow",
    "bound range exceeded",
    "invalid opcode",
    "no x87 unit",
    "double fault",
    "coprocessor overrun",
    "invalid task segment",
    "segment not present",
    "stack fault",
    "general protection fault",
    "page fault",
    "exception 15",
    "x87 exception",
    "alignment check",
    "machine check",
    "vector floating-point exception",
};

const char* name_of(uint64_t vector, uint64_t error) {
    if (vector == vector_page_fault) {
        if ((error & error_fetch) != 0) {
            return "instruction page fault";
        }
        return (error & error_write) != 0 ? "store page fault" : "load page fault";
    }
    return vector < sizeof(vector_names) / sizeof(vector_names[0]) ? vector_names[vector]
                                                                   : "unknown exception";
}

// Their places in gregs, and their names in the same order.
constexpr int shown[] = {
    REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,  REG_R9,
    REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP, REG_EFL, REG_ERR,
};
constexpr const char* shown_names = "rax\0rbx\0rcx\0rdx\0rsi\0rdi\0rbp\0rsp\0r8\0r9\0"
                                    "r10\0r11\0r12\0r13\0r14\0r15\0rip\0rflags\0error";
constexpr uint32_t shown_count = sizeof(shown) / sizeof(shown[0]);
static_assert(shown_count <= HAL_REGISTERS);

void describe(Core& core, const greg_t* registers) {
    auto get = [registers](int name) { return static_cast<uint64_t>(registers[name]); };
    struct hal_fault& fault = core.fault;
    fault.cause = get(REG_TRAPNO);
    fault.what = name_of(fault.cause, get(REG_ERR));
    fault.pc = get(REG_RIP);
    fault.address = fault.cause == vector_page_fault ? get(REG_CR2) : 0;
    fault.stack_pointer = get(REG_RSP);
    fault.frame_pointer = get(REG_RBP);
    fault.where = core.interrupt_stack.holds(fault.stack_pointer) ? HAL_FAULT_HANDLER : HAL_FAULT_CONTEXT;
    fault.count = shown_count;
    fault.names = shown_names;
    for (uint32_t i = 0; i < shown_count; i++) {
        core.fault_registers[i] = get(shown[i]);
    }
    fault.value = core.fault_registers;
}

// Nobody is left to tell: the fault came before the events were known, outside the cores, or
// while one was being handled.
[[noreturn]] void give_up(const char* when, const greg_t* registers) {
    auto get = [registers](int name) { return static_cast<uint64_t>(registers[name]); };
    say("panic", name_of(get(REG_TRAPNO), get(REG_ERR)));
    say(when);
    say_number("  address ", get(REG_CR2));
    say_number("  pc      ", get(REG_RIP));
    say_number("  sp      ", get(REG_RSP));
    _exit(RUMPK_EXIT_PANIC);
}

void on_fault(int signal, siginfo_t* info, void* context) {
    if (info->si_code <= 0) {
        // Sent by a process: it wants us to end that way.
        struct sigaction action = {};
        action.sa_handler = SIG_DFL;
        sigaction(signal, &action, nullptr);
        syscall(SYS_tgkill, getpid(), gettid(), signal);
        return;
    }
    Core& core = this_core;
    greg_t* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    auto stack = static_cast<uint64_t>(registers[REG_RSP]);
    if (core.thread == 0) {
        give_up("  in a thread of the machine itself", registers);
    }
    if (events == nullptr) {
        give_up("  before the kernel was up", registers);
    }
    if (core.fault_stack.holds(stack) || core.signal_stack.holds(stack)) {
        give_up("  while a fault or an interrupt was being taken", registers);
    }
    describe(core, registers);
    core.masked.store(1, std::memory_order_relaxed);
    stack_emptied(core.fault_stack);
    registers[REG_RDI] = reinterpret_cast<greg_t>(&core);
    registers[REG_RSP] = static_cast<greg_t>(core.fault_stack.top());
    registers[REG_RIP] = reinterpret_cast<greg_t>(&rumpk_host_fault_entry);
    registers[REG_EFL] = 0x202; // interrupts on, as always in user mode; all else clear
}

} // namespace

extern "C" void rumpk_host_fault(Core* core) {
    stack_entered(core->fault_stack);
    events->fault(&core->fault);
    say("panic", "the kernel returned from a fault");
    _exit(RUMPK_EXIT_PANIC);
}

void faults_only_unblocked(sigset_t* mask) {
    sigfillset(mask);
    for (int signal : fault_signals) {
        sigdelset(mask, signal);
    }
}

void faults_install() {
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    // NODEFER: a fault inside a handler is to be told, too, not to kill silently.
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    faults_only_unblocked(&action.sa_mask);
    for (int signal : fault_signals) {
        sigaction(signal, &action, nullptr);
    }
}

} // namespace rumpk::hal
