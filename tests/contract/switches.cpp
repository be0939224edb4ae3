// SPDX-License-Identifier: Apache-2.0
// What a switch keeps: registers, filled by tests/contract/probe.h's functions.
#include "tests/contract/contract.h"
#include "tests/contract/probe.h"

namespace contract {
namespace {

struct Spinner {
    struct hal_context context;
    uint64_t seed;
    uint64_t changed;
    unsigned interrupts; // number of its interrupt stack
    bool done;
    bool floats = true;
    uint64_t misled = 0; // times that it went on masked where it had asked for the other, or otherwise
};
Spinner spinners[2];
Spinner* current = nullptr;
struct hal_context main_context;

// ---- switched by a call -------------------------------------------------------------------------

// Leaves for the other, by the one function or the other: how it is gone on with is its own affair.
void change_over(void* argument) {
    auto* self = static_cast<Spinner*>(argument);
    Spinner* other = self == &spinners[0] ? &spinners[1] : &spinners[0];
    const bool unmasks = self->seed % 3 == 0;
    if (unmasks) {
        self->misled += machine->context_switch_unmask(&self->context, &other->context) != 0;
    } else {
        machine->context_switch(&self->context, &other->context);
    }
    self->misled += (machine->interrupts_mask() != 0) != unmasks;
}

void call_probe(void* argument) {
    auto* self = static_cast<Spinner*>(argument);
    for (int round = 0; round < 1000; round++) {
        if (self->floats) {
            self->changed += rumpk_probe_call(change_over, self, self->seed);
        } else {
            change_over(self);
        }
        self->seed = self->seed * 0x5851'f42d'4c95'7f2d + 0x1405'7b7e'f767'814f;
    }
    self->done = true;
    machine->context_switch(&self->context, &main_context);
}

void switch_with(bool first_floats, bool second_floats) {
    for (unsigned i = 0; i < 2; i++) {
        spinners[i] = {.context = {},
                       .seed = 0x0123456789abcdefull * (i + 1),
                       .changed = 0,
                       .interrupts = 0,
                       .done = false,
                       .floats = i == 0 ? first_floats : second_floats};
        machine->context_make(&spinners[i].context, stack(i).base, stack(i).size, call_probe, &spinners[i]);
    }
    machine->context_switch(&main_context, &spinners[0].context);
    EXPECT(spinners[0].done);
    for (const Spinner& spinner : spinners) {
        EXPECT_EQUAL(spinner.changed, 0);
        EXPECT_EQUAL(spinner.misled, 0);
    }
}

void switch_keeps_what_a_call_keeps() {
    switch_with(false, false);
    switch_with(true, false);
    switch_with(false, true);
    switch_with(true, true);
}

// One that ends with registers of its own, and is made again where it was: nothing of it is kept.
struct hal_context leaving;
void leave(void*) {
    machine->context_leave(&main_context);
}
void fill_and_leave(void* seed) {
    rumpk_probe_call(leave, nullptr, reinterpret_cast<uintptr_t>(seed));
}
void to_who_leaves(void* seed) {
    machine->context_make(&leaving, stack(0).base, stack(0).size, fill_and_leave, seed);
    machine->context_switch(&main_context, &leaving);
}

void leave_keeps_what_a_call_keeps() {
    for (uint64_t i = 1; i <= 100; i++) {
        const uint64_t seed = i * 0x1111111111111111;
        EXPECT_EQUAL(
            rumpk_probe_call(to_who_leaves, reinterpret_cast<void*>(static_cast<uintptr_t>(~seed)), seed), 0);
        EXPECT_EQUAL(machine->interrupts_mask(), 0);
    }
}

int64_t nothing(void*) {
    return 0;
}
void call_elsewhere(void*) {
    machine->call_on_stack(stack(0).base, stack(0).size, nothing, nullptr);
}

void call_on_stack_keeps_what_a_call_keeps() {
    EXPECT_EQUAL(rumpk_probe_call(call_elsewhere, nullptr, 0xfedcba9876543210), 0);
}

void unmask_with_something_pending(void*) {
    machine->timer_set(0);
    machine->interrupts_restore(1);
    machine->interrupts_mask();
}

void interrupts_keep_what_a_call_keeps() {
    for (uint64_t i = 0; i < 100; i++) {
        EXPECT_EQUAL(rumpk_probe_call(unmask_with_something_pending, nullptr, i * 0x1111111111111111), 0);
    }
}

// ---- interrupted --------------------------------------------------------------------------------

void spin_probe(void* argument) {
    auto* self = static_cast<Spinner*>(argument);
    machine->interrupts_restore(1);
    self->changed = rumpk_probe_spin(self->seed);
    machine->interrupts_mask();
    self->done = true;
    machine->context_switch(&self->context, &main_context);
}

uint64_t broken_entries = 0;
void preempt() {
    broken_entries += rumpk_probe_entry();
    if (current != nullptr) {
        Spinner* self = current;
        current = nullptr;
        machine->context_preempt(&self->context, &main_context);
    }
}

void spinners_make() {
    broken_entries = 0;
    __atomic_store_n(&rumpk_probe_stop, 0, __ATOMIC_RELEASE);
    hooks.interrupt_exit = preempt;
    for (unsigned i = 0; i < 2; i++) {
        spinners[i] = {.context = {},
                       .seed = 0x0f1e2d3c4b5a6978ull * (i + 1),
                       .changed = 99,
                       .interrupts = 4 + i,
                       .done = false};
        machine->context_make(&spinners[i].context, stack(i).base, stack(i).size, spin_probe, &spinners[i]);
    }
}

// Goes on in it, until the next interrupt or its end.
void go_on(Spinner& spinner, uint64_t when) {
    current = &spinner;
    use_interrupt_stack(stack(spinner.interrupts));
    machine->timer_set(when);
    machine->context_switch(&main_context, &spinner.context);
    broken_entries += rumpk_probe_entry();
    current = nullptr;
}

void spinners_end() {
    __atomic_store_n(&rumpk_probe_stop, 1, __ATOMIC_RELEASE);
    for (Spinner& spinner : spinners) {
        for (int i = 0; i < 100 && !spinner.done; i++) {
            go_on(spinner, machine->now() + 50 * millisecond);
        }
        EXPECT(spinner.done);
        EXPECT_EQUAL(spinner.changed, 0);
    }
    EXPECT_EQUAL(broken_entries, 0);
    machine->timer_set(RUMPK_NEVER);
    use_interrupt_stack(stack(common_interrupts));
}

// Two contexts with different registers each, interrupted in turn wherever they are.
void preemption_keeps_every_register() {
    spinners_make();
    for (unsigned round = 0; round < 500; round++) {
        go_on(spinners[round % 2], machine->now() + round % 50 * microsecond);
        EXPECT(!spinners[0].done && !spinners[1].done);
    }
    spinners_end();
}

// An interrupt that switches nowhere.
void interrupts_keep_every_register() {
    spinners_make();
    hooks.interrupt_exit = nullptr;
    for (unsigned i = 0; i < 2; i++) {
        hooks.timer = [] {
            static uint64_t ticks = 0;
            if (++ticks % 300 != 0) {
                machine->timer_set(machine->now() + ticks % 7 * microsecond);
            } else {
                __atomic_store_n(&rumpk_probe_stop, 1, __ATOMIC_RELEASE);
            }
        };
        __atomic_store_n(&rumpk_probe_stop, 0, __ATOMIC_RELEASE);
        go_on(spinners[i], 0);
        EXPECT(spinners[i].done);
        EXPECT_EQUAL(spinners[i].changed, 0);
    }
    use_interrupt_stack(stack(common_interrupts));
}

// Below an interrupted context the kernel goes on living: it switches, waits and is interrupted
// on other stacks, and the interrupted one finds everything as it was.
void life_goes_on_while_a_context_is_preempted() {
    spinners_make();
    go_on(spinners[0], machine->now() + 20 * microsecond);
    use_interrupt_stack(stack(common_interrupts));
    for (int i = 0; i < 100; i++) {
        uint64_t before = load(counts.timer);
        machine->timer_set(machine->now() + 5 * microsecond);
        EXPECT(spin_until(machine->now() + patience, [before] { return load(counts.timer) != before; }));
    }
    EXPECT(!spinners[0].done);
    spinners_end();
}

} // namespace

const Test tests_of_switches[] = {
    {"switch keeps what a call keeps", switch_keeps_what_a_call_keeps},
    {"leave keeps what a call keeps", leave_keeps_what_a_call_keeps},
    {"call_on_stack keeps what a call keeps", call_on_stack_keeps_what_a_call_keeps},
    {"interrupts keep what a call keeps", interrupts_keep_what_a_call_keeps},
    {"interrupts keep every register", interrupts_keep_every_register},
    {"preemption keeps every register", preemption_keeps_every_register},
    {"life goes on while a context is preempted", life_goes_on_while_a_context_is_preempted},
    {nullptr, nullptr},
};

} // namespace contract
