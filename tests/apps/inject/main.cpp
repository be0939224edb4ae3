// SPDX-License-Identifier: Apache-2.0
//
// inject SEED LIVES: takes messages from standard input and says on standard output what it took, and in each
// of its first LIVES lives does one thing that ends it, drawn from the seed; in the next one it ends the
// machine. tools/cli/inject.py is at the other end, and knows from these lines, each of which is one message
// and begins with byte 1, what must come next:
//
//     B life kind steps    a life has begun: it ends as `kind` says, after so many steps; 0: nobody knows
//     when T life length crc    a message has been looked at ... R life               ... and released: two
//     steps each, of what was taken, said, released, and said again C life               from now on this
//     life spoils its rings: nothing that it says counts Y life bytes         the one after it has dropped
//     all up to the mark that it was sent S life fibers pages unused allocations    what there is to be had,
//     and of the kernel's memory X life what error    what must not be
#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <nexus/fiber.h>
#include <nexus/random.h>

#include "tests/apps/attack/kernel.h"
#include "tests/apps/inject/stream.h"
#include "tests/apps/ways.h"

namespace {

constexpr uint64_t page = 4096;
constexpr uint64_t window_gap = RUMPK_WINDOW_A + 0x03f00000; // RUMPK_WINDOW_MAP of abi/image.h, less a MiB
constexpr uint64_t window_c = RUMPK_WINDOW_A + 2 * RUMPK_WINDOW_SIZE;
constexpr uint64_t nowhere = 0x7'6543'2100;
constexpr uint32_t most_messages = 4;
constexpr uint64_t survey_every = 1024; // lives

using test::ways::hang;
using test::ways::hidden;
using test::ways::Noise;
using test::ways::noise;
using test::ways::overflow;
using test::ways::sink;

uint64_t seed;
uint64_t life;

Stream& stream() {
    static Stream ends;
    return ends;
}

template <class... T>
void say(const char* format, T... values) {
    std::array<char, 100> line;
    const int length = std::snprintf(line.data(), line.size(), format, values...);
    if (!stream().publish(std::as_bytes(std::span(line)).first(static_cast<size_t>(length)))) {
        std::abort();
    }
}

[[noreturn]] void wrong(const char* what, ion::Errno error = {}) {
    say("\1X %" PRIu64 " %s %d\n", life, what, static_cast<int>(error));
    for (;;) { // the other end gives up
        nexus::yield();
    }
}

// --- What ends a life ---------------------------------------------------------------------------------

const uint64_t constant = 4711;
uint32_t never_code[4];

// Does the processor keep the cell from the kernel's memory? And from writing what is read-only?
bool apart() {
    return (nexus::systable().features & RUMPK_FEATURE_GATED) != 0;
}
bool rights_hold() {
    return apart() || RUMPK_WINDOWS_ARE_MEMORY == 0;
}

// Where nothing of the cell's is to be read.
uint64_t unreadable() {
    const uint64_t gap = window_gap + noise.below(1 << 20);
    const uint64_t all[] = {noise.below(page - 8), gap,           window_c + noise.below(1 << 20),
                            kernel.stack,          kernel.memory, kernel.text + noise.below(1 << 16),
                            kernel.firmware,       kernel.uart,   kernel.device_window};
    return apart() ? noise.one_of(all) : all[rights_hold() ? noise.below(3) : 0];
}

void load() {
    sink = *hidden<volatile uint8_t>(unreadable());
}

void store() {
    const uint64_t all[] = {nexus::call::address(&constant), RUMPK_SYSTABLE_ADDRESS,
                            reinterpret_cast<uintptr_t>(&load) & ~uintptr_t{7}};
    *hidden<volatile uint8_t>(rights_hold() && noise.below(2) == 0 ? noise.one_of(all) : unreadable()) = 1;
}

void jump() {
    std::array<uint32_t, 4> code{};
    const uint64_t all[] = {0,
                            nowhere,
                            nexus::call::address(never_code),
                            nexus::call::address(code.data()),
                            nexus::call::address(Stream::at(RUMPK_RING_RX)),
                            RUMPK_SYSTABLE_ADDRESS};
    hidden<void()>(noise.one_of(all))();
}

void illegal() {
    __builtin_trap();
}

void privileged() {
    void (*const all[])() = {kernel.read_status,
                             kernel.write_page_table,
                             kernel.return_from_trap,
                             kernel.flush_translations,
                             kernel.wait_for_interrupt,
                             kernel.mask_interrupts,
                             kernel.break_};
    noise.one_of(all)();
}

// An update in one step wants its word aligned, where the processor is one of those with such rules.
void misaligned() {
    static uint64_t words[2];
    __atomic_fetch_add(hidden<uint64_t>(nexus::call::address(words) + 1), 1, __ATOMIC_RELAXED);
}

void break_pledge() {
    (void)nexus::call::pledge("");
    (void)nexus::random<uint64_t>();
}

// Its last fiber runs away, and the kernel ends it.
void run_away() {
    const auto runaway = [](uint64_t) { hang(); };
    if (!nexus::spawn(runaway, 0, {.name = "runaway", .budget = *nexus::budget("runaway")})) {
        wrong("spawn");
    }
    nexus::exit_fiber();
}

// Not the first fiber, and perhaps in a higher tier.
void in_another(void (*end)(uint64_t)) {
    const nexus::Tier tier =
        noise.one_of({nexus::Tier::photon, nexus::Tier::matter, nexus::Tier::gravity, nexus::Tier::void_});
    if (!nexus::spawn(end, 0, {.name = "other", .tier = tier, .bare = true})) {
        wrong("spawn");
    }
    for (;;) {
        nexus::yield();
    }
}

void other_loads() {
    in_another([](uint64_t) { load(); });
}
void other_hangs() {
    in_another([](uint64_t) { hang(); });
}
void other_overflows() {
    in_another([](uint64_t) { overflow(); });
}
void other_halts() {
    in_another([](uint64_t) { (void)nexus::call::halt(3, RUMPK_SCOPE_CELL); });
}

void leave() {
    std::_Exit(7);
}

// A word of a ring gets another value: one of either line, or sequence, tag or length of a slot, perhaps of
// one that is looked at next.
void spoil_one(rumpk_boot_ring which) {
    const ion::Geometry geometry = Stream::geometry(which);
    const uint64_t position = stream().position(which) + noise.below(3);
    uint64_t at = noise.below(RUMPK_RING_HEADER_SIZE / 4) * 4;
    if (noise.below(3) != 0) {
        const uint64_t slot = (noise.below(4) == 0 ? noise.next() : position) % geometry.slots();
        at = RUMPK_RING_HEADER_SIZE + slot * geometry.slot_size() + noise.below(3) * 4;
    }
    auto* const word = hidden<volatile uint32_t>(nexus::call::address(Stream::at(which) + at));
    const uint32_t values[] = {0,
                               1,
                               2,
                               ~0U,
                               static_cast<uint32_t>(position),
                               static_cast<uint32_t>(position + 1),
                               *word + 1,
                               *word - 1,
                               *word + geometry.slots(),
                               *word ^ 1U << noise.below(32),
                               static_cast<uint32_t>(noise.next()) >> noise.below(32)};
    *word = noise.one_of(values);
}

void wait_until_sent() {
    while (!stream().sent()) {
        nexus::sleep_for(std::chrono::microseconds(20));
    }
}

// What it does with them afterwards must not matter to the kernel.
void spoil_rings() {
    wait_until_sent();
    say("\1C %" PRIu64 "\n", life);
    wait_until_sent();
    constexpr rumpk_boot_ring rings[] = {RUMPK_RING_RX, RUMPK_RING_TX, RUMPK_RING_EVENT};
    for (uint64_t rounds = 1 + noise.below(4); rounds-- > 0;) {
        const rumpk_boot_ring which = noise.one_of(rings);
        for (uint64_t words = 1 + noise.below(8); words-- > 0;) {
            spoil_one(which);
        }
        Stream::ring();
        if (noise.below(2) == 0) {
            stream().go_on();
        }
        if (noise.below(2) == 0) {
            (void)nexus::spawn([](uint64_t) {}, 0); // its end goes to the event ring
            nexus::sleep_for(std::chrono::microseconds(noise.below(100)));
        }
    }
    load();
}

// A fiber of the highest tier ends it, whatever this one is doing.
void end_at_any_time() {
    constexpr auto killer = [](uint64_t delay) {
        nexus::sleep_for(std::chrono::microseconds(delay));
        if (delay % 4 == 0) {
            (void)nexus::call::halt(4, RUMPK_SCOPE_CELL);
        }
        sink = *hidden<volatile uint8_t>(0);
    };
    if (!nexus::spawn(killer, noise.below(1500),
                      {.name = "killer", .tier = nexus::Tier::photon, .bare = true})) {
        wrong("spawn");
    }
}

enum class When : uint8_t { at_step, at_any_time };

struct Kind {
    const char* name;
    void (*end)();
    When when = When::at_step;
    bool spoils = false; // its rings
    bool wants_apart = false;
    bool wants_rights = false;
    bool rare = false; // it takes time
};

constexpr Kind kinds[] = {
    {.name = "load", .end = load},
    {.name = "store", .end = store, .wants_rights = true},
    {.name = "jump", .end = jump, .wants_rights = true},
    {.name = "illegal", .end = illegal},
    {.name = "privileged", .end = privileged, .wants_apart = true},
    {.name = "misaligned", .end = misaligned, .wants_apart = true},
    {.name = "stack", .end = overflow, .wants_rights = true},
    {.name = "pledge", .end = break_pledge},
    {.name = "budget", .end = run_away},
    {.name = "hang", .end = hang, .rare = true},
    {.name = "other-hang", .end = other_hangs, .rare = true},
    {.name = "exit", .end = leave},
    {.name = "other-load", .end = other_loads},
    {.name = "other-stack", .end = other_overflows, .wants_rights = true},
    {.name = "other-halt", .end = other_halts},
    {.name = "rings", .end = spoil_rings, .spoils = true},
    {.name = "rings", .end = spoil_rings, .spoils = true},
    {.name = "any-time", .end = end_at_any_time, .when = When::at_any_time},
    {.name = "any-time", .end = end_at_any_time, .when = When::at_any_time},
    {.name = "any-time", .end = end_at_any_time, .when = When::at_any_time},
};

// The first thing that a life's numbers say.
const Kind& draw(Noise& from) {
    for (;;) {
        const Kind& kind = from.one_of(kinds);
        if ((!kind.wants_apart || apart()) && (!kind.wants_rights || rights_hold()) &&
            (!kind.rare || from.below(5) == 0)) {
            return kind;
        }
    }
}

Noise noise_of(uint64_t number) {
    return Noise{seed ^ number * 0xd134'2543'de82'ef95};
}

// --- What a life does ---------------------------------------------------------------------------------

uint32_t crc(std::span<const std::byte> bytes) {
    uint32_t sum = ~0U;
    for (const std::byte byte : bytes) {
        sum ^= static_cast<uint32_t>(byte);
        for (int bit = 0; bit < 8; ++bit) {
            sum = sum >> 1 ^ (0xedb8'8320U & -(sum & 1));
        }
    }
    return ~sum;
}

// One message, in four steps: looked at, said, released, said. Ends before the step that is the last.
class Echo {
  public:
    explicit Echo(uint64_t steps, void (*end)()) : left_(steps), end_(end) {}

    void message() {
        step();
        const auto message = stream().peek();
        if (!message || message->tag != RUMPK_RX_DATA || message->payload.empty()) {
            wrong("peek", message ? ion::Errno{} : message.error());
        }
        step();
        say("\1T %" PRIu64 " %zu %" PRIu32 "\n", life, message->payload.size(), crc(message->payload));
        step();
        stream().release();
        step();
        say("\1R %" PRIu64 "\n", life);
    }

  private:
    void step() {
        if (left_-- == 0 && end_ != nullptr) {
            end_();
            wrong("lives");
        }
    }

    uint64_t left_;
    void (*end_)();
};

// What came of a life that spoiled its rings is dropped, up to a mark of 16 bytes.
void drop_to_mark() {
    std::array<char, 17> mark;
    std::snprintf(mark.data(), mark.size(), "<%014" PRIu64 ">", life);
    std::array<char, 16> last{};
    for (uint64_t dropped = 0;;) {
        const auto message = stream().peek();
        if (!message) {
            wrong("drop", message.error());
        }
        for (const std::byte byte : message->payload) {
            std::memmove(last.data(), last.data() + 1, last.size() - 1);
            last.back() = static_cast<char>(byte);
        }
        dropped += message->payload.size();
        stream().release();
        if (std::memcmp(last.data(), mark.data(), last.size()) == 0) {
            say("\1Y %" PRIu64 " %" PRIu64 "\n", life, dropped);
            return;
        }
    }
}

// All that can be had, which must be as much in every life.
void survey() {
    uint32_t fibers = 0;
    while (nexus::spawn([](uint64_t) {}, 0)) {
        ++fibers;
    }
    nexus::yield();
    uint32_t pages = 0;
    while (nexus::call::map(RUMPK_HANDLE_MEMORY, 0, page, RUMPK_RIGHT_READ)) {
        ++pages;
    }
    const auto system = *nexus::meta_system();
    say("\1S %" PRIu64 " %" PRIu32 " %" PRIu32 " %" PRIu64 " %" PRIu64 "\n", life, fibers, pages,
        system.memory_unused, system.allocations_after_boot);
}

} // namespace

int main(int argc, char** argv) {
    seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1;
    const uint64_t lives = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 10;
    life = nexus::meta_capability(2)->epoch;
    noise = noise_of(life);
    const Kind& kind = draw(noise);
    const bool timed = kind.when == When::at_step;
    const uint64_t steps = noise.below(most_messages * 4);
    Noise former = noise_of(life - 1);
    const bool spoilt = life > 1 && draw(former).spoils;
    const bool last = life > lives;
    say("\1B %" PRIu64 " %s %" PRIu64 "\n", life, last ? "last" : kind.name, timed ? steps : 0);
    if (spoilt) {
        drop_to_mark();
    }
    if (last || life % survey_every == 1) {
        survey();
    }
    if (last) {
        (void)nexus::call::halt(0, RUMPK_SCOPE_MACHINE);
    }
    if (!kind.spoils && noise.below(4) == 0) {
        stream().be_quiet();
    }
    if (!timed) {
        kind.end();
    }
    for (Echo echo(steps, timed ? kind.end : nullptr);;) {
        echo.message();
    }
}
