// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hal/arch/x86_64/context.h"
#include "hal/machine/host/core.h"
#include "hal/machine/host/fault.h"
#include "hal/machine/host/futex.h"
#include "hal/machine/host/interrupt.h"
#include "hal/machine/host/message.h"
#include "hal/machine/host/stacks.h"

namespace rumpk::hal {

constinit thread_local Core this_core;
constinit Core* all_cores[HAL_MAX_CORES] = {};
constinit const struct hal_events* events = nullptr;

namespace {

constexpr uint64_t page = HAL_PAGE_SIZE;
constexpr uint64_t handler_stack = 32768; // what a handler needs beside the kernel's signal frame
constexpr uint64_t fault_stack = 65536;
constexpr uint64_t thread_stack = 262144; // of device threads, and of cores until they are started

// A core that has not been started yet.
struct Parked {
    std::atomic<uint32_t> state = absent;
    StackRange stack;

    static constexpr uint32_t absent = 0;  // there is no such core
    static constexpr uint32_t ready = 1;   // its thread waits
    static constexpr uint32_t started = 2; // core_start was called
};
constinit Parked parked[HAL_MAX_CORES];

// Where device threads may run: what the process was given, before cores were pinned.
cpu_set_t process_cpus;
bool pin_cores = false;

void core_make(uint32_t index) {
    Core& core = this_core;
    core.index = index;
    core.fault_stack = stack_make(fault_stack);
    // With AVX-512 the kernel's frame takes more than MINSIGSTKSZ says; the kernel tells.
    core.signal_stack = stack_make(getauxval(AT_MINSIGSTKSZ) + handler_stack + stack_slack);
    core.thread = gettid();
    all_cores[index] = &core;
    interrupts_install_core();
    if (!pin_cores) {
        return;
    }
    uint32_t left = index;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &process_cpus) && left-- == 0) {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
            return;
        }
    }
}

int64_t core_begin(void*) {
    stack_entered(parked[this_core.index].stack);
    events->core_start(this_core.index);
    __builtin_trap(); // core_start does not return
}

void* core_thread(void* argument) {
    auto index = static_cast<uint32_t>(reinterpret_cast<uintptr_t>(argument));
    core_make(index);
    Parked& self = parked[index];
    self.state.store(Parked::ready, std::memory_order_release);
    futex_wake(self.state);
    while (self.state.load(std::memory_order_acquire) != Parked::started) {
        futex_wait(self.state, Parked::ready);
    }
    x86_64::rumpk_x86_64_call_on_stack(reinterpret_cast<void*>(self.stack.base), self.stack.size, core_begin,
                                       nullptr);
    return nullptr;
}

// Every signal blocked but those of faults: handlers belong to cores, and a core's thread unblocks its own. A
// fault that finds its signal blocked ends the process without a word.
void thread_make(void* (*body)(void*), void* argument, bool anywhere) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, thread_stack + stack_slack);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigset_t blocked;
    faults_only_unblocked(&blocked);
    pthread_attr_setsigmask_np(&attributes, &blocked);
    if (anywhere) {
        pthread_attr_setaffinity_np(&attributes, sizeof(process_cpus), &process_cpus);
    }
    pthread_t thread;
    errno = pthread_create(&thread, &attributes, body, argument);
    if (errno != 0) {
        die_errno("no thread");
    }
    pthread_attr_destroy(&attributes);
}

} // namespace

StackRange stack_make(uint64_t size) {
    size = (size + page - 1) & ~(page - 1);
    void* base = mmap(nullptr, size + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED ||
        mprotect(static_cast<uint8_t*>(base) + page, size, PROT_READ | PROT_WRITE) != 0) {
        die_errno("no stack");
    }
    return {reinterpret_cast<uint64_t>(base) + page, size};
}

void device_thread_make(void* (*body)(void*), void* argument) {
    thread_make(body, argument, true);
}

void cores_make(uint32_t count) {
    CPU_ZERO(&process_cpus);
    sched_getaffinity(0, sizeof(process_cpus), &process_cpus);
    pin_cores = count > 1 && CPU_COUNT(&process_cpus) >= static_cast<int>(count);
    core_make(0);
    parked[0].state.store(Parked::started, std::memory_order_relaxed);
    for (uint32_t index = 1; index < count; index++) {
        thread_make(core_thread, reinterpret_cast<void*>(uintptr_t{index}), false);
        while (parked[index].state.load(std::memory_order_acquire) == Parked::absent) {
            futex_wait(parked[index].state, Parked::absent);
        }
    }
}

uint32_t core_index() {
    return this_core.index;
}

void core_local_set(void* local) {
    this_core.local = local;
}

void* core_local() {
    return this_core.local;
}

int core_start(uint32_t core, void* stack_base, uint64_t stack_size) {
    if (core >= HAL_MAX_CORES || stack_base == nullptr || stack_size == 0 || stack_size % 16 != 0 ||
        reinterpret_cast<uint64_t>(stack_base) % 16 != 0) {
        return -RUMPK_EINVAL;
    }
    Parked& other = parked[core];
    switch (other.state.load(std::memory_order_acquire)) {
    case Parked::absent:
        return -RUMPK_EINVAL;
    case Parked::started:
        return -RUMPK_EEXIST;
    default:
        break;
    }
    // Release, of the exchange: the new core finds its stack, and all that the caller prepared. One
    // of two that start the same core loses here; it may have written the stack, but not its words.
    other.stack = {reinterpret_cast<uint64_t>(stack_base), stack_size};
    if (other.state.exchange(Parked::started, std::memory_order_acq_rel) == Parked::started) {
        return -RUMPK_EEXIST;
    }
    futex_wake(other.state);
    return 0;
}

void core_wake(uint32_t core) {
    if (core < HAL_MAX_CORES && all_cores[core] != nullptr) {
        interrupt_raise(*all_cores[core], pending_message);
    }
}

} // namespace rumpk::hal
