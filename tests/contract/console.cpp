// SPDX-License-Identifier: Apache-2.0
// The console device, by hand and by interrupt; and the other things this image can do.
#include "tests/contract/contract.h"

namespace contract {
namespace {

uint64_t console_interrupts = 0;
void note_device(uint32_t line) {
    EXPECT_EQUAL(line, machine->boot->console_line);
    store(console_interrupts, load(console_interrupts) + 1);
    machine->device_done(line);
}

void device_enable_knows_its_lines() {
    EXPECT_EQUAL(machine->device_enable(machine->boot->console_line), 0);
    EXPECT(machine->device_enable(~0u) < 0);
}

constexpr uint64_t line_length = 64;
void line_make(uint8_t* line, uint64_t number) {
    for (uint64_t i = 0; i < line_length; i++) {
        line[i] = static_cast<uint8_t>('a' + (number + i) % 26);
    }
    for (uint64_t i = 0; i < 6; i++, number /= 10) {
        line[5 - i] = static_cast<uint8_t>('0' + number % 10);
    }
    line[line_length - 1] = '\n';
}

// All of it, waiting for the interrupt whenever the device came up short. False: it never came.
bool write_all(uint32_t channel, const uint8_t* bytes, uint64_t size) {
    while (size > 0) {
        uint64_t before = load(console_interrupts);
        int64_t done = machine->console_write(channel, bytes, size);
        if (done < 0 || static_cast<uint64_t>(done) > size) {
            return false;
        }
        bytes += done;
        size -= static_cast<uint64_t>(done);
        if (size > 0 && !spin_until(machine->now() + 5000 * millisecond,
                                    [before] { return load(console_interrupts) != before; })) {
            return false;
        }
    }
    return true;
}

// 32 KiB in order; whoever runs this looks at what arrives.
void console_write_waits_for_room() {
    hooks.device = note_device;
    uint8_t line[line_length];
    for (uint64_t i = 0; i < 512; i++) {
        line_make(line, i);
        EXPECT(write_all(HAL_CONSOLE_STDOUT, line, line_length));
    }
    machine->console_flush();
    EXPECT_EQUAL(machine->console_write(HAL_CONSOLE_STDOUT, line, 0), 0);
}

void console_put_keeps_the_order() {
    hooks.device = note_device;
    EXPECT(write_all(HAL_CONSOLE_STDOUT, reinterpret_cast<const uint8_t*>("written, "), 9));
    put("put\n");
}

void console_read_reads_what_is_there() {
    hooks.device = note_device;
    uint8_t byte[64];
    EXPECT_EQUAL(machine->console_read(byte, 0), 0);
    int64_t got = machine->console_read(byte, sizeof(byte));
    EXPECT(got == -RUMPK_EPIPE || (got >= 0 && got <= 64));
    machine->console_flush();
}

// ---- modes --------------------------------------------------------------------------------------

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

} // namespace

const Test tests_of_console[] = {
    {"device_enable knows its lines", device_enable_knows_its_lines},
    {"console_write waits for room", console_write_waits_for_room},
    {"console_put keeps the order", console_put_keeps_the_order},
    {"console_read reads what is there", console_read_reads_what_is_there},
    {nullptr, nullptr},
};

const Mode modes[] = {
    {"echo", echo},     {"channels", channels},   {"flood", flood},           {"idle", idle},
    {"code", code},     {"arguments", arguments}, {"double", fault_in_fault}, {"overflow", overflow},
    {nullptr, nullptr},
};

} // namespace contract
