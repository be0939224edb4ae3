// SPDX-License-Identifier: Apache-2.0
//
// restart KIND LIVES: in each of its first LIVES lives it ends as KIND says; in the next one it looks at what
// it finds, and ends well. Which life it is the epoch of its capabilities says: nothing else is left of the
// others.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <unistd.h>

#include <nexus/console.h>
#include <nexus/fiber.h>
#include <nexus/meta.h>
#include <nexus/random.h>
#include <nexus/time.h>

#include "tests/apps/check.h"

namespace {

constexpr uint32_t console_slot = 2;
constexpr uint64_t page = 4096;
constexpr uint64_t map_bytes = 64 * 1024;        // all of `map` in cell.toml
constexpr uint32_t further_fibers = 7;           // `fibers`, but for the first
constexpr uint32_t further_fibers_on_cores = 31; // in the scenario `cores`

uint32_t life() {
    return nexus::meta_capability(console_slot)->epoch;
}

// Hides from the compiler where a pointer points.
template <class T>
[[gnu::noinline]] T* hidden(uint64_t address) {
    static volatile uint64_t kept;
    kept = address;
    return reinterpret_cast<T*>(static_cast<uintptr_t>(kept));
}

[[gnu::noinline]] void read_null() {
    (void)*hidden<volatile int>(0);
}

[[noreturn]] void illegal() {
    __builtin_trap();
}

void jump() {
    hidden<void()>(0x7'6543'2100)();
}

#pragma clang diagnostic ignored "-Winfinite-recursion" // it is the point
[[gnu::noinline]] int deeper(int depth) {
    volatile char frame[256];
    frame[0] = static_cast<char>(depth);
    return deeper(depth + 1) + frame[0];
}

void overflow() {
    (void)deeper(0);
}

void break_pledge() {
    (void)nexus::call::pledge("");
    (void)nexus::random<uint64_t>();
}

[[noreturn]] void run_on(uint64_t) {
    for (static volatile uint64_t rounds = 0;;) {
        rounds = rounds + 1;
    }
}

void hang() {
    run_on(0);
}

// Where nobody else of the cell can do anything about it.
void hang_above() {
    (void)nexus::spawn(run_on, 0, {.name = "above", .tier = nexus::Tier::photon, .bare = true});
    nexus::yield();
}

// For longer than its heartbeat, without hanging: waits, and then runs with a call now and then.
void live_on() {
    constexpr auto span = std::chrono::milliseconds(250);
    nexus::sleep_for(span);
    const auto run_for = [](std::chrono::milliseconds time) {
        const auto begun = nexus::now();
        while (nexus::now() - begun < time) {
        }
    };
    const auto begun = nexus::now();
    while (nexus::now() - begun < span) {
        run_for(std::chrono::milliseconds(1));
        (void)nexus::meta_self();
    }
    test::check("it lives on", true);
}

// While others wait, are ready, and have been interrupted.
void among_fibers() {
    const auto nap = [](uint64_t ms) { nexus::sleep_for(std::chrono::milliseconds(ms)); };
    const auto spin = [](uint64_t) {
        for (;;) {
            nexus::yield();
        }
    };
    const auto wait = [](uint64_t) { (void)nexus::call::yield(RUMPK_CHANNEL_RX, 0, RUMPK_NEVER, 0); };
    for (uint64_t i = 1; i <= 2; ++i) {
        (void)nexus::spawn(nap, 3600 * 1000 * i, {.name = "asleep"});
        (void)nexus::spawn(spin, 0, {.name = "busy"});
        (void)nexus::spawn(wait, 0, {.name = "waits"});
    }
    const auto fault = [](uint64_t) {
        nexus::sleep_for(std::chrono::milliseconds(2));
        read_null(); // interrupts whoever is busy
    };
    (void)nexus::spawn(fault, 0, {.name = "faulty", .tier = nexus::Tier::photon, .bare = true});
    spin(0);
}

// On every core: one that never gives it up, one that gives it up all the time, one that sleeps, one that
// makes fibers on the next core and kills them. And one that faults, on another core in each life.
uint32_t cores() {
    return nexus::meta_system()->cores;
}

void read_null_later(uint64_t) {
    nexus::sleep_for(std::chrono::milliseconds(3));
    read_null();
}

void make_and_kill(uint64_t core) {
    const auto nap = [](uint64_t) { nexus::sleep_for(std::chrono::hours(1)); };
    for (;;) {
        const auto made =
            nexus::spawn(nap, 0, {.name = "prey", .core = static_cast<uint32_t>(core), .bare = true});
        if (made) {
            (void)nexus::kill(*made);
        }
    }
}

void on_all_cores() {
    const auto spin = [](uint64_t) {
        for (;;) {
            nexus::yield();
        }
    };
    const auto nap = [](uint64_t) { nexus::sleep_for(std::chrono::hours(1)); };
    for (uint32_t core = 0; core < cores(); ++core) {
        const auto with = [core](std::string_view name, nexus::Tier tier) {
            return nexus::FiberOptions{.name = name, .tier = tier, .core = core, .bare = true};
        };
        (void)nexus::spawn(run_on, 0, with("busy", nexus::Tier::void_));
        (void)nexus::spawn(spin, 0, with("spins", nexus::Tier::gravity));
        (void)nexus::spawn(nap, 0, with("asleep", nexus::Tier::matter));
        (void)nexus::spawn(make_and_kill, (core + 1) % cores(), with("maker", nexus::Tier::gravity));
    }
    const uint32_t here = life() % cores();
    (void)nexus::spawn(read_null_later, 0,
                       {.name = "faulty", .tier = nexus::Tier::photon, .core = here, .bare = true});
    spin(0);
}

std::atomic<uint32_t> came{0};

// All slots can be had again, and every core runs them.
void find_all_cores() {
    uint32_t made = 0;
    const auto come = [](uint64_t) {
        came.fetch_add(1, std::memory_order_relaxed);
        nexus::sleep_for(std::chrono::hours(1));
    };
    while (nexus::spawn(come, 0, {.name = "new", .core = made % cores(), .bare = true})) {
        ++made;
    }
    for (int i = 0; i < 1000 && came.load(std::memory_order_relaxed) < made; ++i) {
        nexus::sleep_for(std::chrono::milliseconds(1));
    }
    test::equal("fibers that can be had", made, further_fibers_on_cores);
    test::equal("and run", came.load(std::memory_order_relaxed), made);
    test::equal("memory that was given after boot",
                static_cast<long long>(nexus::meta_system()->allocations_after_boot), 0);
}

// All that a cell can write, but for its rings and what it stands on.
int data = 4711;
std::array<unsigned char, 50'000> zeroed;

std::span<unsigned char> heap() {
    const auto self = *nexus::meta_self();
    auto* const free = static_cast<unsigned char*>(sbrk(0)); // what is below it is in use
    return {free, static_cast<size_t>(self.heap_end - reinterpret_cast<uintptr_t>(free))};
}

// Of a fiber's stack what is well below its frames.
std::span<unsigned char> stack_below() {
    const auto here =
        reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) - 1; // which may be the stack's end
    const uintptr_t base = here & ~uintptr_t{page - 1};
    return {reinterpret_cast<unsigned char*>(base), here - base > 1024 ? here - base - 1024 : 0};
}

bool all_zero(std::span<const unsigned char> bytes) {
    for (const unsigned char byte : bytes) {
        if (byte != 0) {
            return false;
        }
    }
    return true;
}

unsigned clean_stacks = 0;

// Where windows are memory a region shows more than the books have, up to a power of two: here behind the
// boot rings, which take 35 pages.
std::span<unsigned char> behind_boot_rings() {
    const auto* const table = reinterpret_cast<const rumpk_systable*>(RUMPK_SYSTABLE_ADDRESS);
    const uint64_t last_page = table->ring[RUMPK_RING_RX].base + 63 * 4096;
    return {reinterpret_cast<unsigned char*>(last_page), RUMPK_WINDOWS_ARE_MEMORY != 0 ? 4096u : 0u};
}

void dirty() {
    data = 1;
    std::ranges::fill(behind_boot_rings(), 0xa5);
    std::memset(zeroed.data(), 0xa5, zeroed.size());
    for (uint32_t i = 0; i < further_fibers; ++i) {
        const auto soil = [](uint64_t) {
            std::memset(stack_below().data(), 0xa5, stack_below().size());
            nexus::yield();
        };
        (void)nexus::spawn(soil, 0);
    }
    nexus::yield();
    const auto mapped =
        nexus::call::map(RUMPK_HANDLE_MEMORY, 0, map_bytes, RUMPK_RIGHT_READ | RUMPK_RIGHT_WRITE);
    if (mapped) {
        std::memset(*mapped, 0xa5, map_bytes);
    }
    std::memset(heap().data(), 0xa5, heap().size());
    read_null();
}

void find_all_clean() {
    test::equal("data as in the image", data, 4711);
    test::check("zeroed data", all_zero(zeroed));
    test::check("the heap", heap().size() > 64 * 1024 && all_zero(heap()));
    for (uint32_t i = 0; i < further_fibers; ++i) {
        const auto look = [](uint64_t) {
            clean_stacks += stack_below().size() > 1024 && all_zero(stack_below()) ? 1 : 0;
            nexus::yield();
        };
        test::check("a fiber", nexus::spawn(look, 0).has_value());
    }
    test::check("and no more", !nexus::spawn([](uint64_t) {}, 0).has_value());
    nexus::yield();
    test::equal("stacks", clean_stacks, further_fibers);
    const auto mapped = nexus::call::map(RUMPK_HANDLE_MEMORY, 0, map_bytes, RUMPK_RIGHT_READ);
    test::check("all pages of map", mapped && all_zero({static_cast<unsigned char*>(*mapped), map_bytes}));
    test::check("what is shown behind the boot rings", all_zero(behind_boot_rings()));
    test::check("all promises", nexus::random<uint64_t>().has_value());
}

// What was waited before the fifth life: 400 ms, and twice as long each time.
void find_time_passed() {
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(nexus::now().time_since_epoch()).count();
    test::check("the time of all back-offs has passed", ms >= 400 + 800 + 1600);
}

// Standard input to standard output, message by message. Every other life takes no message, but looks at one.
// The others end between two.
[[noreturn]] void echo() {
    for (size_t taken = 0;;) {
        const auto message = nexus::console::input();
        if (!message || message->empty()) {
            std::exit(message ? 0 : 1);
        }
        if (life() % 2 == 1) {
            read_null();
        }
        (void)nexus::console::write(nexus::console::Stream::output, *message);
        taken += message->size();
        nexus::console::consume(message->size());
        if (taken > 5000) {
            illegal();
        }
    }
}

// For ./rumpk bench cells: when the first life ends, and when the second one begins, in ns.
[[noreturn]] void measure() {
    const auto say_now = [](const char* what) {
        std::printf("%s %lld\n", what, static_cast<long long>(nexus::now().time_since_epoch().count()));
        std::fflush(stdout); // the console's driver runs at once, and sends it
    };
    if (life() == 1) {
        std::memset(zeroed.data(), 0xa5, zeroed.size());
        std::memset(heap().data(), 0xa5, heap().size());
        say_now("fault");
        read_null();
    }
    say_now("begun");
    std::exit(0);
}

struct Kind {
    const char* name;
    void (*end)();
    void (*look)();
};

void look_at_nothing() {}

constexpr Kind kinds[] = {
    {"null", read_null, look_at_nothing},
    {"illegal", illegal, look_at_nothing},
    {"jump", jump, look_at_nothing},
    {"stack", overflow, look_at_nothing},
    {"pledge", break_pledge, look_at_nothing},
    {"fibers", among_fibers, find_all_clean},
    {"dirty", dirty, find_all_clean},
    {"cores", on_all_cores, find_all_cores},
    {"backoff", illegal, find_time_passed},
    {"hang", hang, look_at_nothing},
    {"hang-above", hang_above, look_at_nothing},
    {"live-on", live_on, live_on},
    {"exit", [] { std::exit(5); }, look_at_nothing},
    {"machine", [] { (void)nexus::call::halt(6, RUMPK_SCOPE_MACHINE); }, look_at_nothing},
    {"echo", echo, echo},
    {"measure", measure, measure},
};

} // namespace

int main(int argc, char** argv) {
    const char* const wanted = argc > 1 ? argv[1] : "";
    const auto lives = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 0;
    for (const Kind& kind : kinds) {
        if (std::strcmp(kind.name, wanted) != 0) {
            continue;
        }
        if (kind.end != kind.look) {
            std::printf("life %u\n", life());
            std::fflush(stdout);
        }
        if (life() <= lives) {
            kind.end();
            std::puts("it did not end");
            return 1;
        }
        kind.look();
        return test::result();
    }
    std::fputs("restart: no such kind\n", stderr);
    return 2;
}
