// SPDX-License-Identifier: Apache-2.0
#include "hal/machine/host/interrupt.h"

#include <errno.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "hal/arch/x86_64/context.h"
#include "hal/machine/host/clock.h"
#include "hal/machine/host/entry.h"
#include "hal/machine/host/fault.h"
#include "hal/machine/host/message.h"
#include "hal/machine/host/stacks.h"

namespace rumpk::hal {
namespace {

// The two signals. Neither is a real-time one: those queue, and a queue can be full;
// these coalesce, as interrupt lines do.
constexpr int signal_raise = SIGUSR1; // somebody set a bit of `pending`
constexpr int signal_timer = SIGALRM;

// RFLAGS bits that the events must not inherit (AMD64 APM volume 1, 3.1.4, and 2, 3.1.6):
// TF, DF, NT, RF, AC.
constexpr greg_t flags_of_the_interrupted = 0x100 | 0x400 | 0x4000 | 0x10000 | 0x40000;

bool inside(uint64_t address, const char* begin, const char* end) {
    return address >= reinterpret_cast<uint64_t>(begin) && address < reinterpret_cast<uint64_t>(end);
}

uint64_t address_of(const char* code) {
    return reinterpret_cast<uint64_t>(code);
}

InterruptFrame* frame_make(Core& core, const greg_t* from) {
    if (core.interrupt_stack.base == 0) {
        die("an interrupt came before interrupt_stack was called");
    }
    auto get = [from](int name) { return static_cast<uint64_t>(from[name]); };
    auto* frame =
        reinterpret_cast<InterruptFrame*>((core.interrupt_stack.top() & ~15ull) - sizeof(InterruptFrame));
    uint64_t segments = get(REG_CSGSFS); // cs, gs, fs, ss: 16 bits each, from the lowest
    *frame = InterruptFrame{.core = &core,
                            .vector_state = 0, // the entry's
                            .r15 = get(REG_R15),
                            .r14 = get(REG_R14),
                            .r13 = get(REG_R13),
                            .r12 = get(REG_R12),
                            .r11 = get(REG_R11),
                            .r10 = get(REG_R10),
                            .r9 = get(REG_R9),
                            .r8 = get(REG_R8),
                            .rdi = get(REG_RDI),
                            .rsi = get(REG_RSI),
                            .rdx = get(REG_RDX),
                            .rcx = get(REG_RCX),
                            .rbx = get(REG_RBX),
                            .rax = get(REG_RAX),
                            .rbp = get(REG_RBP),
                            .rip = get(REG_RIP),
                            .cs = segments & 0xffff,
                            .rflags = get(REG_EFL),
                            .rsp = get(REG_RSP),
                            .ss = segments >> 48};
    return frame;
}

// Both signals. No call in here changes errno or takes a lock.
void on_signal(int signal, siginfo_t* info, void* context) {
    Core& core = this_core;
    if (signal == signal_timer && info->si_code == SI_TIMER) {
        core.pending.fetch_or(pending_timer, std::memory_order_relaxed);
    }
    if (core.thread == 0 || core.pending.load(std::memory_order_relaxed) == 0) {
        return; // served already, or sent by a stranger
    }
    greg_t* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    auto pc = static_cast<uint64_t>(registers[REG_RIP]);
    if (inside(pc, rumpk_host_wait_begin, rumpk_host_wait_end)) {
        registers[REG_RIP] = static_cast<greg_t>(address_of(rumpk_host_wait_end));
        return;
    }
    if (core.masked.load(std::memory_order_relaxed) != 0) {
        return;
    }
    core.masked.store(1, std::memory_order_relaxed);
    if (inside(pc, rumpk_host_return_begin, rumpk_host_return_end)) {
        InterruptFrame* frame = core.leaving;
        registers[REG_RBX] = reinterpret_cast<greg_t>(frame);
        registers[REG_RSP] = static_cast<greg_t>(frame->vector_state);
        registers[REG_RIP] = reinterpret_cast<greg_t>(&rumpk_host_interrupt_again);
    } else {
        registers[REG_RSP] = reinterpret_cast<greg_t>(frame_make(core, registers));
        registers[REG_RIP] = reinterpret_cast<greg_t>(&rumpk_host_interrupt_entry);
    }
    registers[REG_EFL] &= ~flags_of_the_interrupted;
}

// The console's line. Written by the core that serves it alone; other threads only
// set its pending bit.
struct Line {
    Core* core = nullptr;
    bool enabled = false;
    bool in_service = false; // the event was told and device_done has not been called
    bool again = false;      // raised while it was in service or not enabled
};
constinit Line line;

bool line_serve() {
    if (!line.enabled || line.in_service) {
        line.again = true;
        return false;
    }
    line.in_service = true;
    events->device(console_line);
    return true;
}

// Raised before, and nothing hinders it any more.
void line_go_on(Core& core) {
    if (line.again) {
        line.again = false;
        core.pending.fetch_or(pending_device, std::memory_order_relaxed); // the caller is masked
    }
}

} // namespace

extern "C" int64_t rumpk_host_interrupt_batch(void* argument) {
    auto& core = *static_cast<Core*>(argument);
    // The interrupted code may stand between a system call and its look at errno.
    int saved = errno;
    StackRange previous = stack_entered(core.interrupt_stack);
    // Acquire pairs with the release of interrupt_raise: without it the event might not see
    // what the ringing core wrote before.
    uint32_t reasons = core.pending.exchange(0, std::memory_order_acquire);
    bool told = false;
    if ((reasons & pending_timer) != 0 && timer_expired(core)) {
        events->timer();
        told = true;
    }
    if ((reasons & pending_message) != 0) {
        events->message();
        told = true;
    }
    if ((reasons & pending_device) != 0) {
        told |= line_serve();
    }
    if (told) {
        events->interrupt_exit();
    }
    stack_entered(previous);
    errno = saved;
    return 0;
}

void interrupt_raise(Core& core, uint32_t reason) {
    // Release: see rumpk_host_interrupt_batch. Whoever finds the bit set leaves the signal to the
    // one that set it: it is on its way, or the core is about to look at the word unmasked.
    if ((core.pending.fetch_or(reason, std::memory_order_release) & reason) == 0) {
        syscall(SYS_tgkill, getpid(), core.thread, signal_raise);
    }
}

uint64_t interrupts_mask() {
    Core& core = this_core;
    uint32_t before = core.masked.load(std::memory_order_relaxed);
    core.masked.store(1, std::memory_order_relaxed);
    // Orders against this thread's own signal handlers, which is all that masking concerns.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return before ^ 1;
}

namespace {

// Unmasked a moment ago, and something had been noted: taken here, until nothing is.
[[gnu::noinline]] void take_pending(Core& core) {
    do {
        core.masked.store(1, std::memory_order_relaxed);
        std::atomic_signal_fence(std::memory_order_seq_cst);
        if (core.pending.load(std::memory_order_relaxed) != 0) {
            x86_64::rumpk_x86_64_call_on_stack(reinterpret_cast<void*>(core.interrupt_stack.base),
                                               core.interrupt_stack.size & ~15ull, rumpk_host_interrupt_batch,
                                               &core);
        }
        std::atomic_signal_fence(std::memory_order_seq_cst);
        core.masked.store(0, std::memory_order_relaxed);
        std::atomic_signal_fence(std::memory_order_seq_cst);
    } while (core.pending.load(std::memory_order_relaxed) != 0);
}

// In place, and without a frame as long as nothing is pending: every call of the kernel ends with it.
[[gnu::always_inline]] inline void unmask() {
    Core& core = this_core;
    // First unmask, then look: what a handler noted until here is seen below, and from here
    // on it interrupts. The other way round one could be noted in between and stay.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    core.masked.store(0, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    if (core.pending.load(std::memory_order_relaxed) != 0) [[unlikely]] {
        take_pending(core);
    }
}

} // namespace

void interrupts_restore(uint64_t before) {
    if (before == 0) {
        std::atomic_signal_fence(std::memory_order_seq_cst);
        return;
    }
    unmask();
}

int64_t context_switch_unmask(struct hal_context* from, const struct hal_context* to) {
    context_switch(from, to);
    unmask();
    return 0;
}

void interrupts_wait() {
    rumpk_host_wait(&this_core.pending);
}

void interrupt_stack(void* base, uint64_t size) {
    this_core.interrupt_stack = {reinterpret_cast<uint64_t>(base), size};
    stack_emptied(this_core.interrupt_stack);
}

uint32_t interrupt_stack_size() {
    constexpr uint64_t our_functions = 512;
    return static_cast<uint32_t>(sizeof(InterruptFrame) + vector_state_size() + our_functions + stack_slack);
}

int device_enable(uint32_t number) {
    if (number != console_line) {
        return -RUMPK_ENODEV;
    }
    line.enabled = true;
    line_go_on(this_core);
    return 0;
}

void device_done(uint32_t number) {
    if (number == console_line) {
        line.in_service = false;
        line_go_on(this_core);
    }
}

void device_raise() {
    interrupt_raise(*line.core, pending_device);
}

void interrupts_install() {
    line.core = &this_core;
    struct sigaction action = {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    faults_only_unblocked(&action.sa_mask);
    sigaction(signal_raise, &action, nullptr);
    sigaction(signal_timer, &action, nullptr);
    faults_install();
}

void interrupts_install_core() {
    Core& core = this_core;
    stack_t stack = {};
    stack.ss_sp = reinterpret_cast<void*>(core.signal_stack.base);
    stack.ss_size = core.signal_stack.size;
    if (sigaltstack(&stack, nullptr) != 0) {
        die_errno("no stack for signals");
    }
    struct sigevent expiry = {};
    expiry.sigev_notify = SIGEV_THREAD_ID;
    expiry.sigev_signo = signal_timer;
    expiry._sigev_un._tid = core.thread;
    if (timer_create(CLOCK_MONOTONIC, &expiry, &core.timer) != 0) {
        die_errno("no timer");
    }
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, signal_raise);
    sigaddset(&ours, signal_timer);
    pthread_sigmask(SIG_UNBLOCK, &ours, nullptr);
}

} // namespace rumpk::hal
