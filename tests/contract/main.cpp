// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/contract.h"

namespace contract {

const struct hal* machine = nullptr;
Hooks hooks;
Counts counts = {};
const unsigned common_interrupts = stack_count - 1;

namespace {

alignas(4096) uint8_t stacks[stack_count][stack_size];
const char* running = "";
uint64_t failures = 0;

uint64_t length(const char* text) {
    uint64_t result = 0;
    while (text[result] != '\0') {
        result++;
    }
    return result;
}

void failed_begin(const char* file, int line) {
    failures++;
    put("FAILED ");
    put(running);
    put(": ");
    put(file);
    put(":");
    char digits[8] = {};
    char* at = digits + sizeof(digits) - 1;
    for (; line > 0; line /= 10) {
        *--at = static_cast<char>('0' + line % 10);
    }
    put(at);
    put(": ");
}

void count(uint64_t& counter) {
    __atomic_fetch_add(&counter, 1, __ATOMIC_ACQ_REL);
}

void on_timer() {
    count(counts.timer);
    if (hooks.timer != nullptr) {
        hooks.timer();
    }
}

void on_device(uint32_t line) {
    count(counts.device);
    if (hooks.device != nullptr) {
        hooks.device(line);
    } else {
        machine->device_done(line);
    }
}

void on_message() {
    count(counts.message);
    if (hooks.message != nullptr) {
        hooks.message();
    }
}

void on_interrupt_exit() {
    count(counts.interrupt_exit);
    if (hooks.interrupt_exit != nullptr) {
        hooks.interrupt_exit();
    }
}

void on_fault(const struct hal_fault* fault) {
    if (hooks.fault != nullptr) {
        hooks.fault(fault);
    }
    put("FAILED ");
    put(running);
    put(": a fault that nobody expected: ");
    put(fault->what);
    put(" at pc ");
    put_number(fault->pc);
    put(", address ");
    put_number(fault->address);
    put("\n");
    machine->power_off(1);
}

void on_core_start(uint32_t core) {
    if (hooks.core_start != nullptr) {
        hooks.core_start(core);
    }
    put("FAILED a core began that nobody started\n");
    machine->power_off(1);
}

const struct hal_events events = {
    .timer = on_timer,
    .device = on_device,
    .message = on_message,
    .interrupt_exit = on_interrupt_exit,
    .fault = on_fault,
    .core_start = on_core_start,
};

void run(const Test* test) {
    for (; test->name != nullptr; test++) {
        uint64_t before = failures;
        running = test->name;
        test->run();
        EXPECT_EQUAL(machine->interrupts_mask(), 0); // it left them masked
        hooks = {};
        if (failures == before) {
            put("ok ");
            put(running);
            put("\n");
        }
    }
}

// "rumpk.contract=<name>" as a word of the boot arguments, before "--".
bool wanted(const char* name) {
    constexpr char prefix[] = "rumpk.contract=";
    for (const char* at = machine->boot->arguments; *at != '\0'; at++) {
        uint64_t matched = 0;
        while (prefix[matched] != '\0' && at[matched] == prefix[matched]) {
            matched++;
        }
        if (prefix[matched] != '\0') {
            continue;
        }
        at += matched;
        uint64_t size = length(name);
        uint64_t same = 0;
        while (same < size && at[same] == name[same]) {
            same++;
        }
        return same == size && (at[size] == ' ' || at[size] == '\0');
    }
    return false;
}

} // namespace

void put(const char* text) {
    machine->console_put(HAL_CONSOLE_STDOUT, reinterpret_cast<const uint8_t*>(text), length(text));
}

void put_number(uint64_t number) {
    char digits[17] = {};
    char* at = digits + sizeof(digits) - 1;
    do {
        *--at = "0123456789abcdef"[number & 15];
        number >>= 4;
    } while (number != 0);
    put("0x");
    put(at);
}

void failed(const char* file, int line, const char* what) {
    failed_begin(file, line);
    put(what);
    put("\n");
}

void failed_equal(const char* file, int line, const char* what, uint64_t got, uint64_t wanted_value) {
    failed_begin(file, line);
    put(what);
    put(" is ");
    put_number(got);
    put(", not ");
    put_number(wanted_value);
    put("\n");
}

Stack stack(unsigned number) {
    return {stacks[number], stack_size};
}

void use_interrupt_stack(Stack stack) {
    machine->interrupt_stack(stack.base, stack.size);
}

void spin_until(uint64_t when) {
    spin_until(when, [] { return false; });
}

} // namespace contract

extern "C" void rumpk_core_main(const struct hal* table) {
    using namespace contract;
    machine = table;
    for (const Mode* mode = modes; mode->name != nullptr; mode++) {
        if (wanted(mode->name)) {
            machine->start(&events);
            use_interrupt_stack(stack(common_interrupts));
            mode->run();
        }
    }
    run(tests_of_table);
    run(tests_of_maps);
    machine->start(&events);
    use_interrupt_stack(stack(common_interrupts));
    run(tests_of_interrupts);
    run(tests_of_timer);
    run(tests_of_contexts);
    run(tests_of_switches);
    run(tests_of_rights);
    run(tests_of_faults);
    run(tests_of_user);
    run(tests_of_views);
    run(tests_of_cores);
    run(tests_of_console);
    put(failures == 0 ? "the contract holds\n" : "the contract is broken\n");
    machine->power_off(failures == 0 ? 0 : 1);
    __builtin_trap(); // power_off does not return
}
