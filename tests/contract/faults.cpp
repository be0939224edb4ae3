// SPDX-License-Identifier: Apache-2.0
// Faults of the kernel's own, and how they are reported.
#include "tests/contract/accesses.h"
#include "tests/contract/places.h"

namespace contract {

struct hal_fault caught;

namespace {

struct hal_context main_context, faulting_context;
struct Attempt {
    void (*function)(void*);
    void* argument;
    bool faulted;
};
Attempt attempt;
constexpr unsigned attempt_stack = 0;

void note_fault(const struct hal_fault* fault) {
    caught = *fault;
    attempt.faulted = true;
    machine->context_preempt(&faulting_context, &main_context);
}

void try_it(void*) {
    attempt.function(attempt.argument);
    machine->context_preempt(&faulting_context, &main_context);
}

bool in_kernel_text(uint64_t pc) {
    return pc >= machine->boot->kernel_text_base && pc < machine->boot->kernel_text_end;
}

// The report of a bad access from a context's own code.
void expect_report(uint64_t address) {
    EXPECT_EQUAL(caught.address, address);
    EXPECT(in_kernel_text(caught.pc));
    EXPECT(caught.what != nullptr && caught.what[0] != '\0');
    EXPECT(stack(attempt_stack).holds(at(caught.stack_pointer)));
    // Where frame pointers point behind their frame, the first one's is the end of the stack.
    EXPECT(stack(attempt_stack).holds(at(caught.frame_pointer - 1)));
    EXPECT(caught.count > 0 && caught.count <= HAL_REGISTERS);
    EXPECT_EQUAL(caught.where, HAL_FAULT_CONTEXT);
    bool named = caught.names != nullptr;
    const char* name = caught.names;
    for (uint32_t i = 0; named && i < caught.count; i++) {
        named = *name != '\0';
        while (*name++ != '\0') {
        }
    }
    EXPECT(named);
}

void null_faults() {
    expect_bad_access(read_at, 0);
    expect_bad_access(write_at, 0);
    expect_bad_access(read_at, page - 8);
    expect_bad_call(0);
}

BARE void interrupt_that_faults(void*) {
    hooks.timer = [] { read_at(nullptr); };
    machine->timer_set(0);
    machine->interrupts_restore(1);
}

void a_fault_in_a_handler_is_nested() {
    EXPECT(faults(interrupt_that_faults, nullptr));
    EXPECT_EQUAL(caught.where, HAL_FAULT_HANDLER);
    EXPECT_EQUAL(caught.address, 0);
    // Its frames were given up with it.
    use_interrupt_stack(stack(common_interrupts));
}

void a_thousand_faults() {
    for (uint64_t i = 0; i < 1000; i++) {
        EXPECT(faults(i % 2 == 0 ? read_at : write_at, at(i % 500 * 8)));
        EXPECT_EQUAL(caught.address, i % 500 * 8);
    }
}

} // namespace

BARE void read_at(void* address) {
    (void)*static_cast<volatile uint64_t*>(address);
}
BARE void write_at(void* address) {
    *static_cast<volatile uint64_t*>(address) = 1;
}
BARE void call_at(void* address) {
    reinterpret_cast<void (*)()>(address)();
}
void* at(uint64_t address) {
    return reinterpret_cast<void*>(address);
}

void expect_bad_access(void (*access)(void*), uint64_t address) {
    EXPECT(faults(access, at(address)));
    expect_report(address);
}

void expect_bad_call(uint64_t address) {
    EXPECT(faults(call_at, at(address)));
    EXPECT_EQUAL(caught.pc, address);
    EXPECT_EQUAL(caught.address, address);
}

bool faults(void (*function)(void*), void* argument) {
    attempt = {.function = function, .argument = argument, .faulted = false};
    hooks.fault = note_fault;
    Stack own = stack(attempt_stack);
    machine->context_make(&faulting_context, own.base, own.size, try_it, nullptr);
    machine->context_switch(&main_context, &faulting_context);
    hooks.fault = nullptr;
    return attempt.faulted;
}

const Test tests_of_faults[] = {
    {"null faults", null_faults},
    {"a fault in a handler is nested", a_fault_in_a_handler_is_nested},
    {"a thousand faults", a_thousand_faults},
    {nullptr, nullptr},
};

} // namespace contract
