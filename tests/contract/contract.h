// SPDX-License-Identifier: Apache-2.0
// The contract of abi/hal.h, as a kernel of its own: it takes the core's place
// behind the table of any machine, calls every slot, and says what it finds.
//
//   ok <name>
//   FAILED <name>: <file>:<line>: <what>
//
// Ends with power_off(0), or 1 if anything failed. Uses the table alone.
#ifndef RUMPK_TESTS_CONTRACT_CONTRACT_H
#define RUMPK_TESTS_CONTRACT_CONTRACT_H

#include "abi/call.h"
#include "abi/hal.h"

namespace contract {

extern const struct hal* machine;

// ---- saying things ----------------------------------------------------------------------------

void put(const char* text);
void put_number(uint64_t number); // hexadecimal, 0x...
void failed(const char* file, int line, const char* what);
void failed_equal(const char* file, int line, const char* what, uint64_t got, uint64_t wanted);

// Both go on: one broken promise must not hide the next.
#define EXPECT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            ::contract::failed(__FILE_NAME__, __LINE__, #condition);                                         \
        }                                                                                                    \
    } while (false)
#define EXPECT_EQUAL(got, wanted)                                                                            \
    do {                                                                                                     \
        auto got_value = static_cast<uint64_t>(got);                                                         \
        auto wanted_value = static_cast<uint64_t>(wanted);                                                   \
        if (got_value != wanted_value) {                                                                     \
            ::contract::failed_equal(__FILE_NAME__, __LINE__, #got, got_value, wanted_value);                \
        }                                                                                                    \
    } while (false)

// Without instrumentation: for accesses that are meant to go wrong.
#define BARE [[clang::noinline, clang::no_sanitize("address", "undefined")]]

// ---- tests ------------------------------------------------------------------------------------

struct Test {
    const char* name;
    void (*run)();
};

// Before hal.start, and after it. Interrupts are masked at the beginning and the end of each.
extern const Test tests_of_table[], tests_of_maps[];
extern const Test tests_of_interrupts[], tests_of_timer[], tests_of_contexts[], tests_of_switches[];
extern const Test tests_of_rights[], tests_of_faults[], tests_of_user[], tests_of_views[], tests_of_cores[],
    tests_of_console[];

// Other things the image can do: `rumpk.contract=<name>` among the boot arguments.
struct Mode {
    const char* name;
    void (*run)(); // does not return
};
extern const Mode modes[];

// ---- events -----------------------------------------------------------------------------------

// What a test wants to happen in an event of the core it runs on; empty between tests.
struct Hooks {
    void (*timer)() = nullptr;
    void (*device)(uint32_t line) = nullptr; // without one: device_done at once
    void (*message)() = nullptr;
    void (*interrupt_exit)() = nullptr;
    void (*fault)(const struct hal_fault*) = nullptr;
    void (*core_start)(uint32_t core) = nullptr;
};
extern Hooks hooks;

// How often each event came since boot. Written by interrupts: read them with load().
struct Counts {
    uint64_t timer, device, message, interrupt_exit;
};
extern Counts counts;

inline uint64_t load(const uint64_t& value) {
    return __atomic_load_n(&value, __ATOMIC_ACQUIRE);
}
inline void store(uint64_t& value, uint64_t to) {
    __atomic_store_n(&value, to, __ATOMIC_RELEASE);
}

// ---- what tests share -------------------------------------------------------------------------

struct Stack {
    uint8_t* base;
    uint64_t size;

    [[nodiscard]] bool holds(const void* pointer) const {
        auto* at = static_cast<const uint8_t*>(pointer);
        return at >= base && at < base + size;
    }
};
constexpr unsigned stack_count = 8;
constexpr uint64_t stack_size = 65536;
Stack stack(unsigned number);            // 0..stack_count-1; the last is the interrupt stack between tests
void use_interrupt_stack(Stack stack);   // hal.interrupt_stack
extern const unsigned common_interrupts; // that last one's number

constexpr uint64_t microsecond = 1000;
constexpr uint64_t millisecond = 1000 * microsecond;
// How long something is waited for that has to come. An emulator fires a timer from a thread of its own,
// which on a busy host may not run for tens of milliseconds: only what never comes may fail by this.
constexpr uint64_t patience = 10000 * millisecond;

// Lets interrupts in for that long, or until `condition` holds. Masked before and after.
void spin_until(uint64_t when);
template <typename Condition>
bool spin_until(uint64_t when, Condition condition) {
    machine->interrupts_restore(1);
    while (!condition() && machine->now() < when) {
    }
    machine->interrupts_mask();
    return condition();
}

// Runs function(argument) as a context of its own until it returns or faults. True if it faulted;
// the fault is in `caught` then. Masked before and after, and while it runs.
bool faults(void (*function)(void*), void* argument);
extern struct hal_fault caught;

// By number: what a program at user privilege calls, once the gate is made; and what it reaches in that way.
extern uint64_t gate_calls[RUMPK_CALL_COUNT];
uint64_t gate_function(uint64_t number);

// Once it is prepared: runs a program that reads a word of place_user_data over and over, until it is told to
// go on. Does it return? It faults if not. On any core, one at a time. Masked.
void program_prepare_waiting();
bool program_waits();
bool program_has_begun();
void program_go_on();

// A program in some window: code is frame_user_code, data frame_user_data.
struct Program {
    uint64_t code;
    uint64_t data;
    uint64_t view;
};
// Runs it to read a word there. Does it return? It faults if not. Masked.
bool program_reads(const Program& program, uint64_t address);

// The console's line: a device event that counts itself in console_interrupts, and a numbered
// line of text, its newline included.
extern uint64_t console_interrupts;
void note_device(uint32_t line);
constexpr uint64_t line_length = 64;
void line_make(uint8_t* line, uint64_t number);

} // namespace contract

#endif
