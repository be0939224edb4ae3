// SPDX-License-Identifier: Apache-2.0
// Other cores: started, woken, apart.
#include "tests/contract/places.h"

namespace contract {
namespace {

constexpr unsigned core_stack = 1;
constexpr unsigned core_interrupts = 2;

// What core `other` tells, and what the two pass to and fro.
uint32_t other = 0;
uint64_t begun = 0; // 1 + the index it was told
uint64_t index_there = 0;
uint64_t local_there = 0; // its core_local
uint64_t masked_there = 1;
uint64_t on_its_stack = 0;
uint64_t pinged = 0, ponged = 0, timer_there = 0;
uint64_t letter = 0; // plain memory, carried by core_wake alone
uint64_t asked = 0;  // to run program_waits; 0: not any more
uint64_t answered = 0;

// Asleep: where cores share a processor, as QEMU's do when it counts instructions, a spin would leave the
// other no time. Somebody has to wake this core; what does not come stops here for ever.
template <typename Condition>
void wait_until(Condition condition) {
    while (!condition()) {
        machine->interrupts_wait();
        machine->interrupts_restore(1);
        machine->interrupts_mask();
    }
}

bool on_other() {
    return machine->core_index() == other;
}

void other_begins(uint32_t core) {
    int local = 0;
    on_its_stack = stack(core_stack).holds(&local) ? 1 : 0;
    masked_there = machine->interrupts_mask();
    index_there = machine->core_index();
    local_there = reinterpret_cast<uint64_t>(machine->core_local());
    machine->core_local_set(&letter);
    use_interrupt_stack(stack(core_interrupts));
    store(begun, 1 + uint64_t{core});
    machine->core_wake(machine->boot->boot_core);
    for (;;) {
        wait_until([] { return load(asked) != 0; });
        answered = program_waits() ? 1 : 0;
        store(asked, 0);
        machine->core_wake(machine->boot->boot_core);
    }
}

void bell() {
    if (on_other()) {
        store(pinged, letter);
        machine->core_wake(machine->boot->boot_core);
    } else {
        store(ponged, load(pinged));
    }
}

uint32_t another_core() {
    return machine->boot->boot_core == 0 ? 1 : 0;
}

void core_start_refuses() {
    uint32_t cores = machine->boot->cores;
    EXPECT_EQUAL(machine->core_start(cores, stack(core_stack).base, stack_size), -RUMPK_EINVAL);
    EXPECT_EQUAL(machine->core_start(~0u, stack(core_stack).base, stack_size), -RUMPK_EINVAL);
    EXPECT_EQUAL(machine->core_start(machine->boot->boot_core, stack(core_stack).base, stack_size),
                 -RUMPK_EEXIST);
}

void core_start_starts() {
    if (machine->boot->cores < 2) {
        return;
    }
    other = another_core();
    hooks.core_start = other_begins;
    EXPECT_EQUAL(machine->core_start(other, stack(core_stack).base, stack_size), 0);
    wait_until([] { return load(begun) != 0; });
    EXPECT_EQUAL(begun, 1 + uint64_t{other});
    EXPECT_EQUAL(index_there, other);
    EXPECT_EQUAL(local_there, 0);
    EXPECT_EQUAL(masked_there, 0);
    EXPECT_EQUAL(on_its_stack, 1);
    EXPECT(machine->core_local() != &letter);
    EXPECT_EQUAL(machine->core_start(other, stack(core_stack).base, stack_size), -RUMPK_EEXIST);
}

// The other core may still have one to take.
uint64_t own_messages;
void count_own() {
    if (machine->core_index() == machine->boot->boot_core) {
        store(own_messages, load(own_messages) + 1);
    }
}

// To itself: also without a second core.
void core_wake_reaches_the_caller() {
    hooks.message = count_own;
    uint64_t before = load(own_messages);
    for (int i = 0; i < 10; i++) {
        machine->core_wake(machine->core_index());
    }
    EXPECT_EQUAL(load(own_messages), before); // masked
    machine->interrupts_wait();               // it is pending, or comes
    EXPECT(spin_until(machine->now() + patience, [before] { return load(own_messages) != before; }));
    EXPECT(load(own_messages) <= before + 10);
    // Unmasked it comes by itself.
    before = load(own_messages);
    machine->interrupts_restore(1);
    machine->core_wake(machine->core_index());
    machine->interrupts_mask();
    EXPECT(spin_until(machine->now() + patience, [before] { return load(own_messages) != before; }));
}

// To and fro, each side waiting for the other: a lost bell stops here for ever.
void core_wake_loses_no_bell() {
    if (machine->boot->cores < 2) {
        return;
    }
    hooks.message = bell;
    for (uint64_t i = 1; i <= 10000; i++) {
        letter = i;
        machine->core_wake(other);
        wait_until([i] { return load(ponged) == i; });
    }
    EXPECT_EQUAL(pinged, 10000);
}

void timer_on_other() {
    if (on_other()) {
        store(timer_there, load(timer_there) + 1);
        machine->core_wake(machine->boot->boot_core);
    }
}
void arm_on_other() {
    if (on_other()) {
        machine->timer_set(machine->now() + 100 * microsecond);
    }
}

// Each core has a timer of its own.
void timers_are_apart() {
    if (machine->boot->cores < 2) {
        return;
    }
    hooks.timer = timer_on_other;
    hooks.message = arm_on_other;
    uint64_t before = load(counts.timer);
    machine->timer_set(RUMPK_NEVER);
    machine->core_wake(other);
    wait_until([] { return load(timer_there) != 0; });
    EXPECT_EQUAL(load(timer_there), 1);
    EXPECT_EQUAL(load(counts.timer), before + 1);
}

// Without a bell from the other, but not for longer than that.
template <typename Condition>
bool sleep_until(uint64_t when, Condition condition) {
    while (!condition()) {
        if (machine->now() >= when) {
            return false;
        }
        machine->timer_set(machine->now() + 100 * microsecond);
        machine->interrupts_wait();
        machine->interrupts_restore(1);
        machine->interrupts_mask();
    }
    return true;
}

// The program on the other core is not disturbed by anything but that its memory is taken away. With two
// cores: more share a processor (test_contract.py), where a program that spins keeps the firmware of a core
// from answering another's for seconds.
void rights_are_taken_on_every_core() {
    if (machine->boot->cores != 2 || machine->user == nullptr) {
        return;
    }
    constexpr uint32_t rights = HAL_MAP_READ | HAL_MAP_WRITE | HAL_MAP_USER;
    const auto answer = [] { return load(asked) == 0; };
    for (int i = 0; i < 10; i++) {
        program_prepare_waiting(); // before the other core is asked: it has not begun then, whatever it did
                                   // before
        store(asked, 1);
        machine->core_wake(other);
        EXPECT(sleep_until(machine->now() + patience, program_has_begun));
        EXPECT_EQUAL(machine->unmap(place_user_data, page), 0);
        EXPECT(sleep_until(machine->now() + patience, answer));
        program_go_on();
        wait_until(answer);
        EXPECT_EQUAL(answered, 0); // it has faulted
        EXPECT_EQUAL(machine->map(place_user_data, frame_at(place_user_data, frame_user_data), page, rights),
                     0);
    }
}

} // namespace

const Test tests_of_cores[] = {
    {"core_start refuses", core_start_refuses},
    {"core_start starts", core_start_starts},
    {"core_wake reaches the caller", core_wake_reaches_the_caller},
    {"core_wake loses no bell", core_wake_loses_no_bell},
    {"timers are apart", timers_are_apart},
    {"rights are taken on every core", rights_are_taken_on_every_core},
    {nullptr, nullptr},
};

} // namespace contract
