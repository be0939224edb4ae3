// SPDX-License-Identifier: Apache-2.0
// Other things that this image can do, for tests that look at the machine from outside.
#include "tests/contract/contract.h"
#include "tests/contract/probe.h"

// Where a tracer takes hold. Each is called masked, right before what it names.
extern "C" {
[[gnu::noinline]] void rumpk_contract_before_wait() {
    asm volatile("");
}
[[gnu::noinline]] void rumpk_contract_before_unmask() {
    asm volatile("");
}
[[gnu::noinline]] void rumpk_contract_before_spin() {
    asm volatile("");
}
}

namespace contract {
namespace {

void wait() {
    machine->interrupts_wait();
    machine->interrupts_restore(1);
    machine->interrupts_mask();
}

// What comes in goes out, until the end of input. Waits for an interrupt exactly where the table
// promises one: after a read or a write that came up short.
[[noreturn]] void echo() {
    static uint8_t buffer[4096];
    hooks.device = note_device;
    machine->device_enable(machine->boot->console_line);
    for (;;) {
        uint64_t before = load(console_interrupts);
        int64_t got = machine->console_read(buffer, sizeof(buffer));
        if (got < 0) {
            machine->power_off(got == -RUMPK_EPIPE ? 0 : 1);
        }
        auto size = static_cast<uint64_t>(got);
        // A wait for room may see the interrupt for more input; the other way round it must not be
        // counted, so the mark is taken before each.
        for (uint64_t done = 0; done < size;) {
            uint64_t mark = load(console_interrupts);
            done +=
                static_cast<uint64_t>(machine->console_write(HAL_CONSOLE_STDOUT, buffer + done, size - done));
            while (done < size && load(console_interrupts) == mark) {
                wait();
            }
        }
        while (size < sizeof(buffer) && load(console_interrupts) == before) {
            wait();
        }
    }
}

// Alternating lines on both outputs.
[[noreturn]] void channels() {
    for (uint64_t i = 0; i < 1000; i++) {
        uint8_t line[line_length];
        line_make(line, i);
        uint32_t channel = i % 2 == 0 ? HAL_CONSOLE_STDOUT : HAL_CONSOLE_STDERR;
        uint64_t done = 0;
        while (done < line_length) {
            done += static_cast<uint64_t>(machine->console_write(channel, line + done, line_length - done));
        }
    }
    machine->power_off(0);
    __builtin_trap();
}

// Output without end.
[[noreturn]] void flood() {
    machine->device_enable(machine->boot->console_line);
    uint8_t line[line_length];
    for (uint64_t i = 0;; i++) {
        line_make(line, i);
        if (static_cast<uint64_t>(machine->console_write(HAL_CONSOLE_STDOUT, line, line_length)) <
            line_length) {
            wait();
        }
    }
}

// Two seconds of nothing.
[[noreturn]] void idle() {
    machine->device_enable(machine->boot->console_line);
    uint64_t end = machine->now() + 2000 * millisecond;
    machine->timer_set(end);
    while (machine->now() < end) {
        wait();
    }
    machine->power_off(0);
    __builtin_trap();
}

[[noreturn]] void code() {
    machine->power_off(77);
    __builtin_trap();
}

// Says the boot arguments.
[[noreturn]] void arguments() {
    put(machine->boot->arguments);
    put("\n");
    machine->power_off(0);
    __builtin_trap();
}

BARE [[noreturn]] void fault_in_fault() {
    hooks.fault = [](const struct hal_fault*) {
        put("the first fault\n");
        (void)*reinterpret_cast<volatile uint64_t*>(uint64_t{8});
    };
    (void)*reinterpret_cast<volatile uint64_t*>(uint64_t{16});
    __builtin_trap();
}

// Stack overflow: a fault that finds no stack to push on.
BARE uint64_t eat_stack(uint64_t depth) {
    volatile uint8_t here[256];
    here[0] = static_cast<uint8_t>(depth);
    return depth == 0 ? here[0] : eat_stack(depth - 1) + here[0];
}
[[noreturn]] void overflow() {
    // Below the memory's view, or its first page: nothing is mapped under a stack there.
    static struct hal_context main_context, eater;
    hooks.fault = [](const struct hal_fault* fault) {
        put(fault->what);
        put("\n");
        machine->power_off(3);
    };
    uint64_t base = RUMPK_WINDOW_A;
    (void)machine->map(base, machine->boot->memory_base, HAL_PAGE_SIZE, HAL_MAP_READ | HAL_MAP_WRITE);
    machine->context_make(
        &eater, reinterpret_cast<void*>(base), HAL_PAGE_SIZE, [](void*) { (void)eat_stack(1000); }, nullptr);
    machine->context_switch(&main_context, &eater);
    __builtin_trap();
}

// For ever: a wait, an unmasking and a loop with every register filled, each of which goes on when
// core_wake's message has come, and stops where it is if that was lost. The tracer sends them.
[[noreturn]] void steps() {
    hooks.message = [] { __atomic_store_n(&rumpk_probe_stop, 1, __ATOMIC_RELEASE); };
    for (uint64_t seed = 1;; seed++) {
        uint64_t before = load(counts.message);
        rumpk_contract_before_wait();
        wait();
        if (load(counts.message) == before) {
            put("a wait ended without its message\n");
        }
        before = load(counts.message);
        rumpk_contract_before_unmask();
        machine->interrupts_restore(1);
        while (load(counts.message) == before) {
        }
        machine->interrupts_mask();
        __atomic_store_n(&rumpk_probe_stop, 0, __ATOMIC_RELEASE);
        rumpk_contract_before_spin();
        machine->interrupts_restore(1);
        if (rumpk_probe_spin(seed * 0x9e3779b97f4a7c15) != 0) {
            put("registers have changed\n");
        }
        machine->interrupts_mask();
    }
}

} // namespace

const Mode modes[] = {
    {"echo", echo},   {"channels", channels},   {"flood", flood},           {"idle", idle},
    {"code", code},   {"arguments", arguments}, {"double", fault_in_fault}, {"overflow", overflow},
    {"steps", steps}, {nullptr, nullptr},
};

} // namespace contract
