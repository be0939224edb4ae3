// SPDX-License-Identifier: Apache-2.0
// context_make, context_switch and call_on_stack.
#include "tests/contract/contract.h"

namespace contract {
namespace {

struct hal_context main_context, other_context;

struct Report {
    void* argument;
    uint64_t masked_before; // what interrupts_mask said at the beginning
    bool on_stack;
    bool aligned;
    Stack stack;
};

void report(void* argument) {
    auto* to = static_cast<Report*>(argument);
    alignas(16) volatile uint8_t local[16] = {};
    to->argument = argument;
    to->masked_before = machine->interrupts_mask();
    to->on_stack = to->stack.holds(const_cast<uint8_t*>(local));
    to->aligned = reinterpret_cast<uint64_t>(local) % 16 == 0;
    for (;;) {
        machine->context_switch(&other_context, &main_context);
    }
}

void context_begins_as_made() {
    // Sizes and bases that are aligned to 16 and no better.
    for (uint64_t offset = 0; offset < 64; offset += 16) {
        Stack part = {stack(0).base + offset, stack_size - 2 * offset};
        Report seen = {
            .argument = nullptr, .masked_before = 1, .on_stack = false, .aligned = false, .stack = part};
        machine->context_make(&other_context, part.base, part.size, report, &seen);
        machine->context_switch(&main_context, &other_context);
        EXPECT(seen.argument == &seen);
        EXPECT_EQUAL(seen.masked_before, 0);
        EXPECT(seen.on_stack);
        EXPECT(seen.aligned);
        EXPECT_EQUAL(machine->interrupts_mask(), 0);
    }
}

uint64_t turns = 0;
void count_turns(void*) {
    for (;;) {
        turns++;
        machine->context_switch(&other_context, &main_context);
    }
}

void contexts_take_turns() {
    turns = 0;
    machine->context_make(&other_context, stack(0).base, stack(0).size, count_turns, nullptr);
    for (uint64_t i = 1; i <= 100000; i++) {
        machine->context_switch(&main_context, &other_context);
        EXPECT_EQUAL(turns, i);
    }
}

// A ring of contexts on 4 KiB stacks, each switching to the next.
constexpr unsigned ring_size = 16;
struct hal_context ring[ring_size];
uint64_t visits[ring_size];

void pass_on(void* argument) {
    auto self = static_cast<unsigned>(reinterpret_cast<uintptr_t>(argument));
    for (;;) {
        visits[self]++;
        machine->context_switch(&ring[self], self + 1 < ring_size ? &ring[self + 1] : &main_context);
    }
}

void contexts_on_small_stacks() {
    constexpr uint64_t small = 4096;
    for (unsigned i = 0; i < ring_size; i++) {
        visits[i] = 0;
        machine->context_make(&ring[i], stack(0).base + i * small, small, pass_on,
                              reinterpret_cast<void*>(uintptr_t{i}));
    }
    for (int round = 0; round < 1000; round++) {
        machine->context_switch(&main_context, &ring[0]);
    }
    for (uint64_t count : visits) {
        EXPECT_EQUAL(count, 1000);
    }
}

Stack expected_stack;
uint64_t calls_on_stack = 0;
int64_t answer(void* argument) {
    volatile uint8_t local = 0;
    calls_on_stack += expected_stack.holds(const_cast<uint8_t*>(&local)) ? 1 : 0;
    EXPECT_EQUAL(machine->interrupts_mask(), 0);
    return *static_cast<int64_t*>(argument) - 1;
}

int64_t answer_nested(void* argument) {
    expected_stack = stack(2);
    return machine->call_on_stack(stack(2).base, stack(2).size, answer, argument) - 1;
}

void call_on_stack_calls_there() {
    int64_t argument = -1;
    calls_on_stack = 0;
    expected_stack = stack(1);
    EXPECT_EQUAL(machine->call_on_stack(stack(1).base, stack(1).size, answer, &argument), -2);
    EXPECT_EQUAL(machine->call_on_stack(stack(1).base, stack(1).size, answer_nested, &argument), -3);
    argument = INT64_MAX;
    EXPECT_EQUAL(machine->call_on_stack(stack(2).base, stack(2).size, answer, &argument), INT64_MAX - 1);
    EXPECT_EQUAL(calls_on_stack, 3);
}

// Away in the middle of a call, and back.
int64_t switch_away(void*) {
    machine->context_switch(&other_context, &main_context);
    return 17;
}
int64_t call_result = 0;
void call_and_switch(void*) {
    call_result = machine->call_on_stack(stack(1).base, stack(1).size, switch_away, nullptr);
    for (;;) {
        machine->context_switch(&other_context, &main_context);
    }
}

void call_on_stack_may_switch_away() {
    call_result = 0;
    machine->context_make(&other_context, stack(0).base, stack(0).size, call_and_switch, nullptr);
    machine->context_switch(&main_context, &other_context);
    EXPECT_EQUAL(call_result, 0);
    machine->context_switch(&main_context, &other_context);
    EXPECT_EQUAL(call_result, 17);
}

// Back from it interrupts are taken, and what had come pending is taken at once.
int64_t unmasking_result = 1;
bool back_unmasked = false;
uint64_t fired_before_back = 0;
void switch_unmasking(void*) {
    for (;;) {
        unmasking_result = machine->context_switch_unmask(&other_context, &main_context);
        fired_before_back = load(counts.timer);
        back_unmasked = machine->interrupts_mask() != 0;
    }
}

void switch_unmask_comes_back_unmasked() {
    machine->context_make(&other_context, stack(0).base, stack(0).size, switch_unmasking, nullptr);
    machine->context_switch(&main_context, &other_context);
    EXPECT_EQUAL(machine->interrupts_mask(), 0); // the other context stays masked
    const uint64_t before = load(counts.timer);
    machine->timer_set(0);
    machine->context_switch(&main_context, &other_context);
    EXPECT(back_unmasked);
    EXPECT_EQUAL(unmasking_result, 0);
    EXPECT_EQUAL(fired_before_back, before + 1);
    EXPECT_EQUAL(machine->interrupts_mask(), 0);
}

} // namespace

const Test tests_of_contexts[] = {
    {"context_switch_unmask comes back unmasked", switch_unmask_comes_back_unmasked},
    {"context begins as made", context_begins_as_made},
    {"contexts take turns", contexts_take_turns},
    {"contexts on small stacks", contexts_on_small_stacks},
    {"call_on_stack calls there", call_on_stack_calls_there},
    {"call_on_stack may switch away", call_on_stack_may_switch_away},
    {nullptr, nullptr},
};

} // namespace contract
