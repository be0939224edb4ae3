// SPDX-License-Identifier: Apache-2.0
// A core of this machine: one thread of the process, and what it owns.
#ifndef RUMPK_HAL_MACHINE_HOST_CORE_H
#define RUMPK_HAL_MACHINE_HOST_CORE_H

#include <atomic>
#include <pthread.h>
#include <signal.h>
#include <sys/types.h>
#include <time.h>

#include "abi/call.h"
#include "abi/hal.h"

namespace rumpk::hal {

struct InterruptFrame;

struct StackRange {
    uint64_t base = 0; // 0: none
    uint64_t size = 0;

    [[nodiscard]] uint64_t top() const { return base + size; }
    // A stack pointer at the very top still belongs to the stack.
    [[nodiscard]] bool holds(uint64_t pointer) const { return pointer >= base && pointer <= base + size; }
};

// Reasons for which an interrupt of a core is pending: bits of Core::pending.
constexpr uint32_t pending_timer = 1u << 0;
constexpr uint32_t pending_message = 1u << 1;
constexpr uint32_t pending_device = 1u << 2;

struct Core {
    // Written by any thread; the writer that sets the first bit also sends the
    // signal (interrupt_raise).
    std::atomic<uint32_t> pending = 0;

    // The rest is the core's own: its thread and the signal handlers on it.
    std::atomic<uint32_t> masked = 1;
    InterruptFrame* leaving = nullptr; // the frame that the return path is about to load, see entry.h
    StackRange interrupt_stack;        // where the next interrupt runs
    StackRange fault_stack;
    StackRange signal_stack; // of the signal handlers; nothing stays on it
    void* local = nullptr;
    uint64_t deadline = RUMPK_NEVER; // of timer_set
    uint64_t armed = RUMPK_NEVER;    // what the kernel's timer will fire at, as far as we know
    timer_t timer = nullptr;
    struct hal_fault fault = {};
    uint64_t fault_registers[HAL_REGISTERS] = {};

    // Written once, before other cores may look.
    uint32_t index = 0;
    pid_t thread = 0; // 0: this thread is no core
};

// The calling thread's. Threads that are no core have one whose `thread` is 0.
extern constinit thread_local Core this_core;

// Cores by index; NULL beyond the last.
extern constinit Core* all_cores[HAL_MAX_CORES];

// The events of hal.start; NULL before.
extern constinit const struct hal_events* events;

// Threads and stacks of cores 0..count-1. The caller becomes core 0; the others
// wait, without any wake-up, until core_start. Ends the process on failure.
void cores_make(uint32_t count);

uint32_t core_index();
void core_local_set(void* local);
void* core_local();
int core_start(uint32_t core, void* stack_base, uint64_t stack_size);
void core_wake(uint32_t core);

// A thread that serves a device and is no core: every signal blocked, any CPU.
void device_thread_make(void* (*body)(void*), void* argument);

// A stack of `size` bytes (rounded up to pages) above an inaccessible page.
StackRange stack_make(uint64_t size);

} // namespace rumpk::hal

#endif
