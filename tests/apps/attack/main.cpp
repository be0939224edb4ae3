// SPDX-License-Identifier: Apache-2.0
//
// attack KIND: what a cell that has gone bad would try from inside, in an image that keeps cells apart. What
// the processor has to stop ends the cell; what the kernel has to refuse is answered, and the program goes
// on.
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>

#include <nexus/fiber.h>
#include <nexus/meta.h>
#include <nexus/time.h>

#include "abi/ring.h"
#include "tests/apps/attack/kernel.h"
#include "tests/apps/check.h"

namespace {

constexpr uint64_t page = 4096;
constexpr uint64_t systable = RUMPK_SYSTABLE_ADDRESS;
constexpr uint64_t gate = systable + page;
constexpr uint64_t window_c = RUMPK_WINDOW_A + 2 * RUMPK_WINDOW_SIZE;

volatile uint64_t sink;

// Hides from the compiler where a pointer points.
template <class T>
[[gnu::noinline]] T* hidden(uint64_t address) {
    static volatile uint64_t cell;
    cell = address;
    return reinterpret_cast<T*>(static_cast<uintptr_t>(cell));
}
void read_at(uint64_t address) {
    sink = *hidden<volatile uint64_t>(address);
}
void write_at(uint64_t address) {
    *hidden<volatile uint64_t>(address) = 0;
}
void run_at(uint64_t address) {
    hidden<void()>(address)();
}

void run_stack() {
    std::array<uint32_t, 4> code{};
    run_at(std::bit_cast<uintptr_t>(code.data()));
}
void run_heap() {
    run_at(std::bit_cast<uintptr_t>(new uint64_t[4]{}));
}
void run_ring() {
    run_at(nexus::systable().ring[RUMPK_RING_RX].base);
}
void below_the_first_stack() {
    read_at(RUMPK_WINDOW_A + 0x06000ff8); // RUMPK_WINDOW_STACKS of abi/image.h, and a page
}

// Pointers into what is not the cell's, in every call that takes one.
void pointers() {
    using nexus::call::raw;
    const std::array<uint64_t, 9> places = {
        0,        kernel.stack, kernel.memory, kernel.text, kernel.firmware, kernel.device_window,
        window_c, gate,         ~uint64_t{7}};
    bool refused = true;
    for (const uint64_t at : places) {
        for (const int64_t answer :
             {raw(RUMPK_CALL_PLEDGE, at), raw(RUMPK_CALL_READ, 0, at, 8), raw(RUMPK_CALL_WRITE, 1, at, 8),
              raw(RUMPK_CALL_RANDOM, at, 8), raw(RUMPK_CALL_META, RUMPK_META_SYSTEM, at, 8),
              raw(RUMPK_CALL_SPAWN, at), raw(RUMPK_CALL_YIELD, 0, 0, 0, RUMPK_YIELD_NOWAIT, at, 2),
              raw(RUMPK_CALL_YIELD, 0, 0, 0, RUMPK_YIELD_NOWAIT, at, 1)}) {
            refused = refused && answer == -RUMPK_EFAULT;
        }
        refused = refused && (at == 0 || raw(RUMPK_CALL_UNVEIL, at, 8, RUMPK_RIGHT_READ) == -RUMPK_EFAULT);
        refused = refused && raw(RUMPK_CALL_UNMAP, at / page * page, page) == -RUMPK_EFAULT;
    }
    test::check("a pointer to what is not the cell's is EFAULT", refused);
}

// A fiber whose code or stack would be the kernel's.
void fibers() {
    bool refused = true;
    for (const uint64_t at : {kernel.memory, kernel.text, gate, systable, kernel.device_window}) {
        rumpk_spawn_args args{};
        args.size = sizeof args;
        args.tier = RUMPK_TIER_GRAVITY;
        args.core = RUMPK_SPAWN_ANY_CORE;
        args.entry = at;
        refused = refused && nexus::call::raw(RUMPK_CALL_SPAWN, nexus::call::address(&args)) == -RUMPK_EFAULT;
        args.entry = nexus::call::address(reinterpret_cast<const void*>(&fibers));
        args.stack_base = at;
        args.stack_size = page;
        refused = refused && nexus::call::raw(RUMPK_CALL_SPAWN, nexus::call::address(&args)) == -RUMPK_EFAULT;
    }
    test::check("a fiber in the kernel's memory is EFAULT", refused);
}

// Of a fiber that lives: its slot, but of another life.
bool names_no_other_life(nexus::FiberId fiber) {
    constexpr uint64_t one_life = uint64_t{1} << 32;
    const auto id = static_cast<uint64_t>(fiber);
    using nexus::call::raw;
    bool refused = true;
    for (uint64_t life = 0; life < 100; ++life) {
        const uint64_t forged = id % one_life + life * one_life;
        if (forged != id) {
            const uint64_t peer = nexus::call::address(&forged);
            refused = refused && raw(RUMPK_CALL_KILL, forged, 1) == -RUMPK_ESRCH &&
                      raw(RUMPK_CALL_META, RUMPK_META_FIBER, 0, 0, forged) == -RUMPK_ESRCH &&
                      raw(RUMPK_CALL_YIELD, 0, 0, 0, RUMPK_YIELD_NOWAIT, peer, 1) == -RUMPK_ESRCH;
        }
    }
    return refused && nexus::meta_fiber(fiber).has_value();
}

// Handles and ids that nobody gave.
void handles() {
    using nexus::call::raw;
    bool refused = true;
    const uint64_t self = static_cast<uint64_t>(nexus::meta_self()->fiber);
    for (uint64_t number = 0; number < 4096; ++number) {
        const uint64_t forged = number * 0x9e37'79b9'7f4a'7c15;
        const int64_t mapped = raw(RUMPK_CALL_MAP, forged, 0, page, RUMPK_RIGHT_READ | RUMPK_RIGHT_WRITE);
        refused = refused && mapped == -RUMPK_EBADF;
        refused = refused && (forged == self || raw(RUMPK_CALL_KILL, forged, 1) == -RUMPK_ESRCH);
        const uint64_t slots = forged & ~(RUMPK_CHANNEL_RX | RUMPK_CHANNEL_TX | RUMPK_CHANNEL_CONSOLE);
        const int64_t rung = raw(RUMPK_CALL_YIELD, 0, slots, 0, RUMPK_YIELD_NOWAIT);
        refused = refused && (slots == 0 || rung == -RUMPK_EBADF || rung == -RUMPK_EINVAL);
    }
    test::check("a forged handle or id is refused", refused);
    const auto other = nexus::spawn([] { nexus::sleep_until(nexus::never); });
    test::check("an id of another life names nobody", other && names_no_other_life(other->id()));
}

// A message that the kernel takes for one, until it looks how long it is.
void lie_about_a_length() {
    const uint64_t ring = nexus::systable().ring[RUMPK_RING_TX].base;
    auto* const slot = hidden<rumpk_slot_header>(ring + RUMPK_RING_HEADER_SIZE);
    slot->tag = RUMPK_TX_STDOUT;
    slot->length = ~0U;
    slot->sequence = 1;
    (void)nexus::call::raw(RUMPK_CALL_YIELD, 0, RUMPK_CHANNEL_CONSOLE, 0, RUMPK_YIELD_NOWAIT);
    nexus::sleep_for(std::chrono::milliseconds(5));
}

// Whatever stands in the rings that the kernel shares with the cell. Nothing can be printed afterwards but by
// the call.
void rings() {
    lie_about_a_length();
    uint64_t state = 1;
    for (int round = 0; round < 300; ++round) {
        for (const rumpk_boot_ring which : {RUMPK_RING_RX, RUMPK_RING_TX, RUMPK_RING_EVENT}) {
            const rumpk_ring_descriptor& ring = nexus::systable().ring[which];
            const size_t words = (round % 2 == 0 ? 128 : 128 + uint64_t{ring.slots} * ring.slot_size) / 8;
            for (uint64_t& word : std::span(hidden<uint64_t>(ring.base), words)) {
                state = state * 6364136223846793005 + 1442695040888963407;
                word = state >> (state >> 59);
            }
        }
        auto fiber = nexus::spawn([] {}); // its end goes to the event ring
        (void)nexus::call::raw(RUMPK_CALL_YIELD, 0, RUMPK_CHANNEL_CONSOLE, 0, RUMPK_YIELD_NOWAIT);
        nexus::yield();
    }
    constexpr char line[] = "ok the kernel outlives rings that lie\n";
    (void)nexus::call::raw(RUMPK_CALL_WRITE, RUMPK_FD_OUTPUT, nexus::call::address(line), sizeof line - 1);
    (void)nexus::call::halt(0, RUMPK_SCOPE_CELL);
}

// Asks the emulator to end, with a code. It listens to the kernel's privilege alone, if to anybody.
void semihosting() {
    constexpr uint64_t exit = 0x18;
    constexpr std::array<uint64_t, 2> block = {0x20026, 77}; // the application ended, code
    kernel.semihosting(exit, block.data());
}

// Not on the core that keeps the cell's books, and in a higher tier.
void from_another_core() {
    constexpr auto attack = [](uint64_t) { read_at(kernel.memory); };
    if (nexus::spawn(attack, 0, {.name = "far", .tier = nexus::Tier::matter, .core = 1, .bare = true})) {
        for (;;) {
            nexus::yield();
        }
    }
}

struct Kind {
    const char* name;
    void (*run)();
};

constexpr Kind kinds[] = {
    {"read-kernel-stack", [] { read_at(kernel.stack); }},
    {"read-kernel-memory", [] { read_at(kernel.memory); }},
    {"write-kernel-memory", [] { write_at(kernel.memory); }},
    {"read-kernel-text", [] { read_at(kernel.text); }},
    {"run-kernel-text", [] { run_at(kernel.text); }},
    {"read-firmware", [] { read_at(kernel.firmware); }},
    {"read-device", [] { read_at(kernel.device_window); }},
    {"write-device", [] { write_at(kernel.device_window); }},
    {"read-uart", [] { read_at(kernel.uart); }},
    {"read-other-window", [] { read_at(window_c); }},
    {"read-guard", below_the_first_stack},
    {"write-systable", [] { write_at(systable); }},
    {"run-systable", [] { run_at(systable); }},
    {"write-gate", [] { write_at(gate); }},
    {"run-stack", run_stack},
    {"run-heap", run_heap},
    {"run-ring", run_ring},
    {"read-status-register", [] { kernel.read_status(); }},
    {"write-page-table-register", [] { kernel.write_page_table(); }},
    {"return-from-trap", [] { kernel.return_from_trap(); }},
    {"flush-translations", [] { kernel.flush_translations(); }},
    {"wait-for-interrupt", [] { kernel.wait_for_interrupt(); }},
    {"mask-interrupts", [] { kernel.mask_interrupts(); }},
    {"break", [] { kernel.break_(); }},
    {"semihosting", semihosting},
    {"from-another-core", from_another_core},
    {"pointers", pointers},
    {"fibers", fibers},
    {"handles", handles},
    {"rings", rings},
};

} // namespace

int main(int argc, char** argv) {
    const char* const wanted = argc > 1 ? argv[1] : "";
    for (const Kind& kind : kinds) {
        if (std::strcmp(kind.name, wanted) == 0) {
            kind.run();
            return test::result();
        }
    }
    std::fprintf(stderr, "attack: no such kind\n");
    return 2;
}
