// SPDX-License-Identifier: Apache-2.0
// Masking, waiting, and the stack that interrupts run on.
#include "tests/contract/contract.h"

namespace contract {
namespace {

void masks_nest() {
    EXPECT_EQUAL(machine->interrupts_mask(), 0); // already
    machine->interrupts_restore(0);              // nothing
    EXPECT_EQUAL(machine->interrupts_mask(), 0);
    machine->interrupts_restore(1);
    uint64_t outer = machine->interrupts_mask();
    EXPECT(outer != 0);
    uint64_t inner = machine->interrupts_mask();
    EXPECT_EQUAL(inner, 0);
    machine->interrupts_restore(inner);
    EXPECT_EQUAL(machine->interrupts_mask(), 0);
    machine->interrupts_restore(outer);
    EXPECT(machine->interrupts_mask() != 0);
}

void masked_nothing_comes_and_nothing_is_lost() {
    for (int i = 0; i < 100; i++) {
        uint64_t before = load(counts.timer);
        uint64_t deadline = machine->now() + 20 * microsecond;
        machine->timer_set(deadline);
        while (machine->now() < deadline + 30 * microsecond) {
        }
        EXPECT_EQUAL(load(counts.timer), before);
        EXPECT(spin_until(machine->now() + patience, [before] { return load(counts.timer) != before; }));
        EXPECT_EQUAL(load(counts.timer), before + 1);
    }
}

// Interrupts that arrive around the very instruction that unmasks. After it nothing is masked or
// unmasked any more, so one that fell through would not come.
void unmasking_loses_nothing() {
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t before = load(counts.timer);
        uint64_t deadline = machine->now() + 2 * microsecond;
        machine->timer_set(deadline);
        while (machine->now() < deadline + i * 13 % 4000) {
        }
        bool came = spin_until(deadline + patience, [before] { return load(counts.timer) != before; });
        EXPECT(came);
        if (!came) {
            return;
        }
    }
}

// What comes pending while a handler runs is taken after it, not in it.
uint64_t depth = 0;
void nested_timer() {
    EXPECT_EQUAL(depth, 0);
    depth++;
    EXPECT_EQUAL(machine->interrupts_mask(), 0);
    if (load(counts.timer) % 2 == 1) {
        machine->timer_set(0);
        uint64_t until = machine->now() + 20 * microsecond;
        while (machine->now() < until) {
        }
    }
    depth--;
}

void handlers_do_not_nest() {
    for (int i = 0; i < 200; i++) {
        counts.timer = 0;
        hooks.timer = nested_timer;
        machine->timer_set(machine->now() + 5 * microsecond);
        EXPECT(spin_until(machine->now() + patience, [] { return load(counts.timer) == 2; }));
    }
}

uint64_t exits_at_event = 0;
void note_exits() {
    exits_at_event = load(counts.interrupt_exit);
}

void interrupt_exit_comes_once_and_last() {
    hooks.timer = note_exits;
    for (int i = 0; i < 100; i++) {
        uint64_t before = load(counts.interrupt_exit);
        uint64_t fired = load(counts.timer);
        machine->timer_set(machine->now() + 5 * microsecond);
        EXPECT(spin_until(machine->now() + patience, [fired] { return load(counts.timer) != fired; }));
        EXPECT_EQUAL(exits_at_event, before);
        EXPECT_EQUAL(load(counts.interrupt_exit), before + 1);
    }
}

Stack wanted_stack;
uint64_t stack_misses = 0;
void check_stack() {
    volatile uint8_t local = 0;
    stack_misses += wanted_stack.holds(const_cast<uint8_t*>(&local)) ? 0 : 1;
}

// Both ways: out of running code, and at the moment of unmasking.
void interrupts_run_on_their_stack() {
    hooks.timer = check_stack;
    hooks.interrupt_exit = check_stack;
    for (unsigned i = 0; i < 100; i++) {
        wanted_stack = stack(i % stack_count);
        use_interrupt_stack(wanted_stack);
        uint64_t before = load(counts.timer);
        machine->timer_set(i % 2 == 0 ? machine->now() + 10 * microsecond : 0);
        EXPECT(spin_until(machine->now() + patience, [before] { return load(counts.timer) != before; }));
    }
    EXPECT_EQUAL(stack_misses, 0);
    use_interrupt_stack(stack(common_interrupts));
}

void wait_ends_at_once_when_pending() {
    uint64_t before = load(counts.timer);
    machine->timer_set(0);
    for (int i = 0; i < 100; i++) {
        machine->interrupts_wait(); // still pending, still masked
    }
    EXPECT_EQUAL(load(counts.timer), before);
    machine->interrupts_restore(1);
    machine->interrupts_mask();
    EXPECT_EQUAL(load(counts.timer), before + 1);
}

// Waits that begin around the very moment at which the interrupt arrives. A lost wake-up would
// stop here for ever: the time limit of whoever runs this tells.
void wait_loses_no_wake_up() {
    uint64_t wait_calls = 0;
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t before = load(counts.timer);
        uint64_t deadline = machine->now() + 3 * microsecond;
        machine->timer_set(deadline);
        while (machine->now() + 1 * microsecond < deadline + i * 13 % 4000) {
        }
        while (load(counts.timer) == before) {
            machine->interrupts_wait();
            wait_calls++;
            machine->interrupts_restore(1);
            machine->interrupts_mask();
        }
    }
    EXPECT(wait_calls < 80000); // it waits, it does not merely return
}

void wait_waits() {
    uint64_t begin = machine->now();
    uint64_t before = load(counts.timer);
    uint64_t wait_calls = 0;
    machine->timer_set(begin + 50 * millisecond);
    while (load(counts.timer) == before) {
        machine->interrupts_wait();
        wait_calls++;
        machine->interrupts_restore(1);
        machine->interrupts_mask();
    }
    EXPECT(machine->now() >= begin + 50 * millisecond);
    EXPECT(wait_calls <= 10);
}

} // namespace

const Test tests_of_interrupts[] = {
    {"masks nest", masks_nest},
    {"masked, nothing comes and nothing is lost", masked_nothing_comes_and_nothing_is_lost},
    {"unmasking loses nothing", unmasking_loses_nothing},
    {"handlers do not nest", handlers_do_not_nest},
    {"interrupt_exit comes once and last", interrupt_exit_comes_once_and_last},
    {"interrupts run on their stack", interrupts_run_on_their_stack},
    {"wait ends at once when pending", wait_ends_at_once_when_pending},
    {"wait loses no wake-up", wait_loses_no_wake_up},
    {"wait waits", wait_waits},
    {nullptr, nullptr},
};

} // namespace contract
