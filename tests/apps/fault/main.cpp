// SPDX-License-Identifier: Apache-2.0
//
// fault KIND: does something that must not be done. What is a fault of the machine ends in the kernel's panic
// with registers and a backtrace, what is the program's own mistake in a message and exit code 123.
#include <cassert>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include <nexus/fiber.h>
#include <nexus/random.h>

extern "C" int main(int argc, char** argv);

namespace {

// Hides from the compiler where a pointer points, and that what follows cannot be meant.
template <class T>
[[gnu::noinline]] T* hidden(uint64_t address) {
    static volatile uint64_t cell;
    cell = address;
    return reinterpret_cast<T*>(static_cast<uintptr_t>(cell));
}

template <class T>
uint64_t address_of(T* thing) {
    return reinterpret_cast<uintptr_t>(thing);
}

volatile int sink;
int never_code[4] = {0};
const int read_only = 7;

[[gnu::noinline]] void read_null() {
    sink = *hidden<volatile int>(0);
}

[[gnu::noinline]] void write_null() {
    *hidden<volatile int>(8) = 1;
}

[[gnu::noinline]] void write_text() {
    *hidden<volatile int>(address_of(&read_null)) = 0;
}

[[gnu::noinline]] void write_rodata() {
    *hidden<volatile int>(address_of(&read_only)) = 0;
}

[[gnu::noinline]] void write_systable() {
    *hidden<volatile int>(RUMPK_SYSTABLE_ADDRESS) = 0;
}

[[gnu::noinline]] void execute_data() {
    hidden<void()>(address_of(&never_code))();
}

[[gnu::noinline]] void jump_wild() {
    hidden<void()>(0x7'6543'2100)();
}

[[gnu::noinline]] void illegal() {
    __builtin_trap();
}

void hijacked() {
    std::puts("somewhere else goes on");
    std::exit(0);
}

// Writes beyond an array, and what a return would take for its address.
[[gnu::noinline]] void smash() {
    uint64_t room[4];
    auto* const all = hidden<uint64_t>(address_of(&room));
    for (size_t i = 0; i < 12; ++i) {
        all[i] = address_of(&hijacked);
    }
    sink = static_cast<int>(room[3]);
}

#pragma clang diagnostic ignored "-Winfinite-recursion" // it is the point
[[gnu::noinline]] int overflow(int depth) {
    volatile char frame[256];
    frame[0] = static_cast<char>(depth);
    return overflow(depth + 1) + frame[0];
}

[[gnu::noinline]] void overflow_main() {
    sink = overflow(0);
}

void overflow_fiber() {
    auto fiber = nexus::spawn([] { sink = overflow(0); }, {.name = "deep"});
    (void)fiber->join();
}

void null_in_fiber() {
    auto fiber = nexus::spawn(read_null, {.name = "faulty"});
    (void)fiber->join();
}

[[gnu::noinline]] void failing_assertion() {
    assert(sink == 12345);
}

void out_of_bounds() {
    const std::span<int> few(never_code);
    sink = few[hidden<int>(9) == nullptr ? 0u : 9u];
}

// A broken pledge ends the fiber, the only one: and with it the program.
void break_pledge() {
    (void)nexus::call::pledge("");
    (void)nexus::random<uint64_t>();
    std::puts("the fiber still runs");
}

struct Base {
    Base() { indirect(); }
    virtual ~Base() = default;
    virtual void run() = 0;
    [[gnu::noinline]] void indirect() { run(); }
};

struct Derived final : Base {
    void run() override {}
};

void pure_virtual() {
    Derived object;
}

void out_of_memory() {
    const std::vector<char> all(address_of(hidden<char>(uint64_t{1} << 40)));
    sink = *hidden<const volatile char>(address_of(all.data()));
}

void handled_abort() {
    std::signal(SIGABRT, [](int) { std::fputs("the handler of SIGABRT ran\n", stderr); });
    std::abort();
}

struct Kind {
    const char* name;
    void (*run)();
};

constexpr Kind kinds[] = {
    {"null", read_null},
    {"null-write", write_null},
    {"text", write_text},
    {"rodata", write_rodata},
    {"systable", write_systable},
    {"exec", execute_data},
    {"jump", jump_wild},
    {"illegal", illegal},
    {"stack", overflow_main},
    {"fiber-stack", overflow_fiber},
    {"fiber-null", null_in_fiber},
    {"bounds", out_of_bounds},
    {"abort", std::abort},
    {"abort-handler", handled_abort},
    {"assert", failing_assertion},
    {"pure", pure_virtual},
    {"memory", out_of_memory},
    {"pledge", break_pledge},
    {"smash", smash},
};

} // namespace

int main(int argc, char** argv) {
    const char* const wanted = argc > 1 ? argv[1] : "";
    for (const Kind& kind : kinds) {
        if (std::strcmp(kind.name, wanted) == 0) {
            std::printf("fault: %s\n", kind.name);
            kind.run();
            std::puts("nothing happened");
            return 1;
        }
    }
    std::fprintf(stderr, "fault: no such kind; there are");
    for (const Kind& kind : kinds) {
        std::fprintf(stderr, " %s", kind.name);
    }
    std::fputc('\n', stderr);
    return 2;
}
