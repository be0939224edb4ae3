// SPDX-License-Identifier: Apache-2.0
// The console device, by hand and by interrupt.
#include "tests/contract/contract.h"

namespace contract {

uint64_t console_interrupts = 0;

void note_device(uint32_t line) {
    EXPECT_EQUAL(line, machine->boot->console_line);
    store(console_interrupts, load(console_interrupts) + 1);
    machine->device_done(line);
}

void line_make(uint8_t* line, uint64_t number) {
    for (uint64_t i = 0; i < line_length; i++) {
        line[i] = static_cast<uint8_t>('a' + (number + i) % 26);
    }
    for (uint64_t i = 0; i < 6; i++, number /= 10) {
        line[5 - i] = static_cast<uint8_t>('0' + number % 10);
    }
    line[line_length - 1] = '\n';
}

namespace {

void device_enable_knows_its_lines() {
    EXPECT_EQUAL(machine->device_enable(machine->boot->console_line), 0);
    EXPECT(machine->device_enable(~0u) < 0);
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
        if (size > 0 &&
            !spin_until(machine->now() + patience, [before] { return load(console_interrupts) != before; })) {
            return false;
        }
    }
    return true;
}

// Numbered lines; whoever runs this looks at what arrives.
void write_lines(uint64_t from, uint64_t to) {
    hooks.device = note_device;
    uint8_t line[line_length];
    for (uint64_t i = from; i < to; i++) {
        line_make(line, i);
        EXPECT(write_all(HAL_CONSOLE_STDOUT, line, line_length));
    }
}

void console_write_waits_for_room() {
    write_lines(0, 512);
    machine->console_flush();
    EXPECT_EQUAL(machine->console_write(HAL_CONSOLE_STDOUT, nullptr, 0), 0);
}

void console_put_keeps_the_order() {
    write_lines(512, 768); // so much that the device is still busy with it
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

} // namespace

const Test tests_of_console[] = {
    {"device_enable knows its lines", device_enable_knows_its_lines},
    {"console_write waits for room", console_write_waits_for_room},
    {"console_put keeps the order", console_put_keeps_the_order},
    {"console_read reads what is there", console_read_reads_what_is_there},
    {nullptr, nullptr},
};

} // namespace contract
