// SPDX-License-Identifier: Apache-2.0
// User privilege: what a program there can do, and how its calls, interrupts and faults come in.
#include <array>
#include <utility>

#include "tests/contract/places.h"
#include "tests/contract/probe.h"

namespace contract {
namespace {

struct hal_context main_context, program_context;
unsigned kernel_stack = 1; // of the program's calls
uint64_t user_stack = place_user_data + page;
uint64_t guard = 0;
Program program{place_user_code, place_user_data, 0};

// The script lies at the beginning of the program's data, which the kernel touches elsewhere.
rumpk_probe_user_script& script() {
    return *reinterpret_cast<rumpk_probe_user_script*>(
        const_cast<uint64_t*>(touch_at(program.data, frame_user_data)));
}

enum class Ended : uint8_t { no, returned, faulted, preempted };
Ended ended;

struct Call {
    uint64_t number;
    uint64_t arguments[6];
    bool unmasked;
    unsigned stack;
};
Call calls[2]; // the first two
uint64_t call_count;

unsigned stack_of(const void* frame) {
    unsigned number = 0;
    while (number < stack_count && !stack(number).holds(frame)) {
        number++;
    }
    return number;
}

template <uint64_t number>
int64_t answer(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f) {
    const bool unmasked = machine->interrupts_mask() != 0;
    if (call_count < 2) {
        calls[call_count] = {number, {a, b, c, d, e, f}, unmasked, stack_of(__builtin_frame_address(0))};
    }
    call_count++;
    if (number == RUMPK_CALL_HALT) {
        ended = Ended::returned;
        machine->context_switch(&program_context, &main_context);
    }
    machine->interrupts_restore(1);
    return -1000 - static_cast<int64_t>(number);
}

void note_fault(const struct hal_fault* fault) {
    caught = *fault;
    ended = Ended::faulted;
    machine->context_preempt(&program_context, &main_context);
}

void enter(void*) {
    Stack own = stack(kernel_stack);
    machine->user->enter(program.code, program.data, user_stack,
                         reinterpret_cast<uint64_t>(own.base) + own.size, guard, program.view);
}

// Runs the program until it has returned, has faulted or a hook has switched away.
Ended run() {
    ended = Ended::no;
    call_count = 0;
    hooks.fault = note_fault;
    Stack own = stack(kernel_stack);
    machine->context_make(&program_context, own.base, own.size, enter, nullptr);
    machine->context_switch(&main_context, &program_context);
    return ended;
}

void prepare(const rumpk_probe_user_script& wanted) {
    auto* code = reinterpret_cast<volatile uint8_t*>(touch_at(program.code, frame_user_code));
    for (uint64_t i = 0; i < rumpk_probe_user_size; i++) {
        code[i] = rumpk_probe_user[i];
    }
    machine->code_written(reinterpret_cast<uintptr_t>(code), page);
    script() = wanted;
}
// What it does after a call, or without one.
void prepare_then(uint64_t then, uint64_t place) {
    rumpk_probe_user_script wanted{};
    wanted.then = then;
    wanted.place = place;
    prepare(wanted);
}
void prepare_call(uint64_t number, uint64_t first) {
    rumpk_probe_user_script wanted{};
    wanted.call = gate_calls[number];
    wanted.arguments[0] = first;
    for (uint64_t i = 1; i < 6; i++) {
        wanted.arguments[i] = ~i;
    }
    prepare(wanted);
}

void read_at_user(void*) {
    (void)*reinterpret_cast<volatile uint64_t*>(place_user_data);
}
void write_at_user(void*) {
    *reinterpret_cast<volatile uint64_t*>(place_user_data) = 1;
}
void call_at_user(void*) {
    reinterpret_cast<void (*)()>(place_user_code)();
}

// Protected regions do not bind it, nor does an MMU on every processor; but nowhere does an MMU let it run
// what a program may run.
void the_kernel_does_not_touch_what_a_program_does() {
    const bool kept_out = !flat && rumpk_probe_kept_out() != 0;
    for (auto* access : {read_at_user, write_at_user}) {
        EXPECT(faults(access, nullptr) == kept_out);
    }
    if (!flat) {
        EXPECT(faults(call_at_user, nullptr));
        EXPECT_EQUAL(caught.where, HAL_FAULT_CONTEXT);
    }
}

void a_program_begins_with_nothing_and_returns_to_halt() {
    prepare({});
    EXPECT(run() == Ended::returned); // and leaves something in registers of all kinds
    prepare({});
    EXPECT(run() == Ended::returned);
    EXPECT_EQUAL(script().at_entry, 0);
    EXPECT_EQUAL(call_count, 1);
    EXPECT_EQUAL(calls[0].number, RUMPK_CALL_HALT);
    EXPECT_EQUAL(calls[0].arguments[0], 0);
    EXPECT_EQUAL(calls[0].arguments[1], RUMPK_SCOPE_FIBER);
    EXPECT(calls[0].unmasked);
    EXPECT_EQUAL(calls[0].stack, kernel_stack);
}

void a_call_arrives_and_shows_its_result_alone() {
    for (uint64_t number = 0; number < RUMPK_CALL_COUNT; number++) {
        if (number == RUMPK_CALL_HALT || number == RUMPK_CALL_TIME) {
            continue;
        }
        prepare_call(number, 11);
        EXPECT(run() == Ended::returned);
        EXPECT_EQUAL(call_count, 2); // it, and halt
        EXPECT_EQUAL(calls[0].number, number);
        for (uint64_t i = 0; i < 6; i++) {
            EXPECT_EQUAL(calls[0].arguments[i], script().arguments[i]);
        }
        EXPECT(calls[0].unmasked);
        EXPECT_EQUAL(calls[0].stack, kernel_stack);
        EXPECT_EQUAL(script().result, -1000 - static_cast<int64_t>(number));
        EXPECT_EQUAL(script().left, 0);
        EXPECT_EQUAL(script().changed, 0);
    }
}

void no_other_call_arrives() {
    for (uint64_t number : {uint64_t{RUMPK_CALL_COUNT}, uint64_t{255}, ~uint64_t{0}, uint64_t{1} << 61}) {
        prepare_then(3, number);
        EXPECT(run() == Ended::returned);
        EXPECT_EQUAL(call_count, 1);
        EXPECT_EQUAL(script().result, -RUMPK_ENOSYS);
    }
}

uint64_t asked_time(uint64_t clock) {
    prepare_call(RUMPK_CALL_TIME, clock);
    EXPECT(run() == Ended::returned);
    EXPECT_EQUAL(call_count, 1); // halt
    EXPECT_EQUAL(script().changed, 0);
    return script().result;
}

void time_is_answered_in_the_gate() {
    for (int i = 0; i < 100; i++) {
        const uint64_t before = machine->now();
        const uint64_t monotonic = asked_time(RUMPK_CLOCK_MONOTONIC);
        EXPECT(before <= monotonic && monotonic <= machine->now());
    }
    const auto offset = static_cast<uint64_t>(machine->boot->wall_offset);
    const uint64_t before = machine->now();
    const uint64_t wall = asked_time(RUMPK_CLOCK_WALL);
    EXPECT(offset != 0 ? before + offset <= wall && wall <= machine->now() + offset
                       : wall == static_cast<uint64_t>(-RUMPK_ENODEV));
    EXPECT_EQUAL(asked_time(2), -RUMPK_EINVAL);
    EXPECT_EQUAL(asked_time(~0ull), -RUMPK_EINVAL);
}

void expect_fault_at(uint64_t address) {
    prepare_then(1, address);
    EXPECT(run() == Ended::faulted);
    EXPECT_EQUAL(caught.address, address);
    EXPECT_EQUAL(caught.where, HAL_FAULT_USER);
    EXPECT_EQUAL(page_of(caught.pc), place_user_code);
    EXPECT_EQUAL(caught.stack_pointer, user_stack);
}

void a_program_reaches_what_is_its_own() {
    prepare_then(1, place_user_code);
    EXPECT(run() == Ended::returned);
    expect_fault_at(0);
    expect_fault_at(place_data); // the kernel's, in a window
    expect_fault_at(page_of(machine->boot->kernel_text_base));
    expect_fault_at(reinterpret_cast<uint64_t>(&machine));
    expect_fault_at(frame(frame_user_data) + machine->boot->direct_map);
    expect_fault_at(place_user_data + page);
    expect_fault_at(reinterpret_cast<uint64_t>(stack(common_interrupts).base));
}

void expect_read_at(uint64_t address) {
    prepare_then(1, address);
    EXPECT(run() == Ended::returned);
}

void a_change_of_rights_takes_effect() {
    constexpr uint32_t to_read = HAL_MAP_READ | HAL_MAP_USER;
    const uint64_t physical = frame_at(place_user_other, frame_user_other);
    expect_fault_at(place_user_other);
    EXPECT_EQUAL(machine->map(place_user_other, physical, page, to_read), 0);
    EXPECT_EQUAL(machine->map(place_user_other, physical, page, to_read), -RUMPK_EEXIST);
    expect_read_at(place_user_other);
    expect_read_at(place_user_code);
    EXPECT_EQUAL(machine->protect(place_user_other, page, to_read | HAL_MAP_EXEC), 0);
    expect_read_at(place_user_other);
    EXPECT_EQUAL(machine->protect(place_user_other, page, HAL_MAP_READ), 0); // the kernel's alone
    expect_fault_at(place_user_other);
    EXPECT_EQUAL(machine->unmap(place_user_other, page), flat ? -RUMPK_ENOENT : 0);
    EXPECT_EQUAL(machine->map(place_user_other, physical, page, to_read | HAL_MAP_WRITE), 0);
    expect_read_at(place_user_other);
    EXPECT_EQUAL(machine->unmap(place_user_other, page), 0);
    expect_fault_at(place_user_other);
    EXPECT_EQUAL(machine->unmap(place_user_other, page), -RUMPK_ENOENT);
}

// With an MMU pages that are not mapped do this.
void a_guard_holds_while_its_program_runs() {
    const uint64_t physical = frame_at(place_user_other, frame_user_other);
    EXPECT_EQUAL(machine->map(place_user_other, physical, page, HAL_MAP_READ | HAL_MAP_USER), 0);
    guard = place_user_other;
    if (flat) {
        expect_fault_at(place_user_other);
        expect_fault_at(place_user_other + page - 8);
    } else {
        expect_read_at(place_user_other);
    }
    guard = 0;
    expect_read_at(place_user_other);
    EXPECT_EQUAL(machine->unmap(place_user_other, page), 0);
}

// Whatever the program makes of its stack pointer: here it is where a handler's would be.
void a_programs_stack_says_nothing_of_the_kernel() {
    prepare_then(1, 0);
    Stack interrupts = stack(common_interrupts);
    user_stack = reinterpret_cast<uint64_t>(interrupts.base) + interrupts.size / 2;
    EXPECT(run() == Ended::faulted);
    EXPECT_EQUAL(caught.where, HAL_FAULT_USER);
    user_stack = place_user_data + page;
}

void wait_in_program() {
    prepare_then(2, 0);
    machine->timer_set(machine->now() + 100 * microsecond);
}

void an_interrupt_comes_in_and_goes_back() {
    hooks.timer = [] { script().place = 1; };
    wait_in_program();
    const uint64_t before = load(counts.timer);
    EXPECT(run() == Ended::returned);
    EXPECT_EQUAL(load(counts.timer), before + 1);
    EXPECT_EQUAL(calls[0].stack, kernel_stack);
}

// Another program runs between, with calls on a stack of its own.
void a_preempted_programs_calls_come_in_where_they_did() {
    hooks.interrupt_exit = [] {
        ended = Ended::preempted;
        machine->context_preempt(&program_context, &main_context);
    };
    wait_in_program();
    EXPECT(run() == Ended::preempted);
    const hal_context waiting = program_context;
    hooks = {};
    use_interrupt_stack(stack(3)); // there is a frame on the other
    kernel_stack = 2;
    script().then = 0; // the one that waits has looked
    EXPECT(run() == Ended::returned);
    EXPECT_EQUAL(calls[0].stack, 2);
    kernel_stack = 1;
    script().place = 1;
    program_context = waiting;
    call_count = 0;
    machine->context_switch(&main_context, &waiting);
    EXPECT_EQUAL(call_count, 1);
    EXPECT_EQUAL(calls[0].stack, 1);
    use_interrupt_stack(stack(common_interrupts));
}

} // namespace

const Test tests_of_user[] = {
    {"the kernel does not touch what a program does", the_kernel_does_not_touch_what_a_program_does},
    {"a program begins with nothing and returns to halt", a_program_begins_with_nothing_and_returns_to_halt},
    {"a call arrives and shows its result alone", a_call_arrives_and_shows_its_result_alone},
    {"no other call arrives", no_other_call_arrives},
    {"time is answered in the gate", time_is_answered_in_the_gate},
    {"a program reaches what is its own", a_program_reaches_what_is_its_own},
    {"a change of rights takes effect", a_change_of_rights_takes_effect},
    {"a guard holds while its program runs", a_guard_holds_while_its_program_runs},
    {"a program's stack says nothing of the kernel", a_programs_stack_says_nothing_of_the_kernel},
    {"an interrupt comes in and goes back", an_interrupt_comes_in_and_goes_back},
    {"a preempted program's calls come in where they did", a_preempted_programs_calls_come_in_where_they_did},
    {nullptr, nullptr},
};

bool program_reads(const Program& one, uint64_t address) {
    const Program before = program;
    program = one;
    user_stack = one.data + page;
    prepare_then(1, address);
    const Ended how = run();
    EXPECT(how == Ended::returned || (how == Ended::faulted && caught.address == address));
    program = before;
    user_stack = program.data + page;
    return how == Ended::returned;
}

void program_prepare_waiting() {
    // Its code stands since the first test.
    rumpk_probe_user_script wanted{};
    wanted.at_entry = 1;
    wanted.then = 2;
    script() = wanted;
}

bool program_waits() {
    kernel_stack = 4; // cores.cpp runs on the others
    const bool returned = run() == Ended::returned;
    kernel_stack = 1;
    return returned;
}

bool program_has_begun() {
    return load(script().at_entry) == 0;
}

void program_go_on() {
    store(script().place, 1);
}

uint64_t gate_function(uint64_t number) {
    static const auto functions = []<uint64_t... n>(std::integer_sequence<uint64_t, n...>) {
        return std::array{reinterpret_cast<uint64_t>(&answer<n>)...};
    }(std::make_integer_sequence<uint64_t, RUMPK_CALL_COUNT>());
    return functions[number];
}

} // namespace contract
