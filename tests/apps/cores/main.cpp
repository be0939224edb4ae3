// SPDX-License-Identifier: Apache-2.0
//
// Fibers on every core of the machine: spawned, rung, killed and ended across cores. With one core it
// shows what is refused. A number makes another core end the program, with that code; `first` ends the
// first fiber before the others.
#include <array>
#include <atomic>
#include <cstdlib>
#include <utility>

#include <nexus/fiber.h>
#include <nexus/meta.h>

#include "ion/ring.h"
#include "tests/apps/check.h"

namespace {

using nexus::Errno;
using nexus::error;
using nexus::FiberId;

uint32_t cores = 1;

[[nodiscard]] nexus::Result<FiberId> spawn_on(uint32_t core, void (*entry)(uint64_t), uint64_t argument,
                                              nexus::Tier tier = nexus::Tier::gravity) {
    return nexus::spawn(entry, argument, {.name = "bare", .tier = tier, .core = core, .bare = true});
}

template <typename Condition>
bool soon(Condition condition) {
    const nexus::Instant end = nexus::now() + std::chrono::seconds(20);
    while (!condition()) {
        if (nexus::now() > end) {
            return false;
        }
        nexus::sleep_for(std::chrono::microseconds(200));
    }
    return true;
}

[[nodiscard]] bool gone(FiberId fiber) {
    return nexus::meta_fiber(fiber) == error(Errno::srch);
}

void ring(uint64_t fiber) {
    (void)nexus::call::yield(0, 0, 0, RUMPK_YIELD_NOWAIT, std::span(&fiber, 1));
}

void refusals(uint32_t elsewhere) {
    const auto nothing = [](uint64_t) {};
    test::check("a core that is not there is EINVAL", spawn_on(cores, nothing, 0) == error(Errno::inval));
    const auto refused = nexus::spawn(nothing, 0, {.core = elsewhere});
    test::check("another core without BARE is EPERM", cores == 1 || refused == error(Errno::perm));
}

// ---- what may be called away from home -------------------------------------------------------------

struct Away {
    std::atomic<int64_t> pledge, write, map, console, watch, random, spawned, own_core;
    std::atomic<uint32_t> done;
} away;

void calls_away(uint64_t) {
    const auto code = [](auto result) -> int64_t { return result ? 0 : std::to_underlying(result.error()); };
    std::array<std::byte, 8> bytes{};
    away.pledge = code(nexus::call::pledge("stdio"));
    away.write = code(nexus::call::write(1, bytes));
    away.map = code(nexus::call::map(RUMPK_HANDLE_MEMORY, 0, 4096, RUMPK_RIGHT_READ));
    away.console = code(nexus::call::yield(RUMPK_CHANNEL_CONSOLE, 0, 0, RUMPK_YIELD_NOWAIT));
    const auto self = std::to_underlying(nexus::self());
    away.watch = code(nexus::call::yield(0, 0, 0, RUMPK_YIELD_NOWAIT | RUMPK_YIELD_END, std::span(&self, 1)));
    away.random = code(nexus::call::random(bytes));
    away.own_core = nexus::meta_fiber(nexus::self())->core;
    away.done = 1;
}

void calls_away_from_home(uint32_t core) {
    away.done = 0;
    test::check("spawn elsewhere", spawn_on(core, calls_away, 0).has_value());
    test::check("it ran", soon([] { return away.done == 1; }));
    test::equal("where it was told to", away.own_core, core);
    const auto perm = std::to_underlying(Errno::perm);
    test::check("the cell's books are at home: EPERM", away.pledge == perm && away.write == perm &&
                                                           away.map == perm && away.console == perm &&
                                                           away.watch == perm);
    test::equal("random numbers are everywhere", away.random, 0);
}

// ---- bells -----------------------------------------------------------------------------------------

struct Rally {
    std::atomic<uint64_t> ball = 0; // odd: away's turn
    std::atomic<uint64_t> at_home = 0;
    uint64_t rounds = 0;
    uint64_t sweep = 1500; // loops: longer than the way to sleep
} rally;

// Waits for the other's turn, without a deadline: a bell that is lost ends the test's time.
void play(uint64_t other, bool odd) {
    for (uint64_t i = 0; i < rally.rounds; ++i) {
        while ((rally.ball.load(std::memory_order_acquire) % 2 == 1) != odd) {
            (void)nexus::call::yield(RUMPK_CHANNEL_RX, 0, RUMPK_NEVER, 0);
        }
        // A little later or earlier each time, so that the bell comes at every moment of the other's way to
        // sleep: as it looks, as it parks, as its core decides to wait, and as it waits.
        for (uint64_t left = i * 7 % rally.sweep; left > 0; --left) {
            std::atomic_signal_fence(std::memory_order_seq_cst);
        }
        rally.ball.fetch_add(1, std::memory_order_release);
        ring(other);
    }
}

void bells(uint32_t core, uint64_t rounds) {
    rally.ball = 0;
    rally.rounds = rounds;
    rally.at_home = std::to_underlying(nexus::self());
    const auto fiber = spawn_on(core, [](uint64_t) { play(rally.at_home, true); }, 0);
    play(std::to_underlying(*fiber), false);
    test::check("no bell is lost between two cores", soon([&] { return rally.ball == 2 * rounds; }));
    test::check("and the fiber ends", soon([&] { return gone(*fiber); }));
}

// ---- rings -----------------------------------------------------------------------------------------

struct AllCores {
    void operator()() const { (void)nexus::call::yield(0, 0, 0, RUMPK_YIELD_NOWAIT | RUMPK_YIELD_BARRIER); }
};
using Fence = ion::CrossCore<AllCores>;
using Producer = ion::BasicProducer<Fence>;
using Consumer = ion::BasicConsumer<Fence>;

constexpr ion::Geometry shape = ion::Geometry::of(8, 32);
alignas(64) std::array<std::byte, shape.bytes()> ring_memory;
struct Flow {
    std::atomic<uint64_t> sender = 0, sum = 0, parked = 0;
    uint64_t messages = 0;
} flow;

void receive(uint64_t) {
    Consumer in(ring_memory.data(), shape);
    for (uint64_t got = 0; got < flow.messages;) {
        auto message = in.peek();
        if (!message) {
            in.arm();
            if (in.empty()) {
                flow.parked.fetch_add(1, std::memory_order_relaxed);
                (void)nexus::call::yield(RUMPK_CHANNEL_RX, 0, RUMPK_NEVER, 0);
            }
            in.disarm();
            continue;
        }
        flow.sum.fetch_add(message->tag, std::memory_order_relaxed);
        ++got;
        (void)in.release();
        if (in.peer_waiting()) {
            ring(flow.sender);
        }
    }
}

void rings(uint32_t core, uint64_t messages) {
    (void)ion::format(ring_memory, shape);
    flow.messages = messages;
    flow.sum = 0;
    flow.sender = std::to_underlying(nexus::self());
    Producer out(ring_memory.data(), shape);
    const auto receiver = *spawn_on(core, receive, 0);
    for (uint64_t i = 1; i <= messages;) {
        if (out.claim()) {
            (void)out.publish(static_cast<uint32_t>(i++), 0);
            if (out.peer_waiting()) {
                ring(std::to_underlying(receiver));
            }
            continue;
        }
        out.arm();
        if (out.full()) {
            (void)nexus::call::yield(RUMPK_CHANNEL_RX, 0, RUMPK_NEVER, 0);
        }
        out.disarm();
    }
    test::check("all of a ring arrives on the other core", soon([&] { return gone(receiver); }));
    test::equal("and each once", static_cast<long long>(flow.sum.load()),
                static_cast<long long>(messages * (messages + 1) / 2));
}

// ---- ends ------------------------------------------------------------------------------------------

std::atomic<uint64_t> spinning = 0;
std::atomic<uint64_t> ended_count = 0;
std::atomic<int64_t> killed = 0;

void spin(uint64_t) {
    for (;;) {
        spinning.fetch_add(1, std::memory_order_relaxed);
    }
}

void kills(uint32_t core) {
    const auto never_yields = *spawn_on(core, spin, 0);
    const uint64_t before = spinning;
    test::check("it spins", soon([&] { return spinning != before; }));
    test::check("a fiber that never yields is killed from another core",
                nexus::kill(never_yields, 9).has_value());
    test::check("and is gone", gone(never_yields));
    test::check("a second kill is ESRCH", nexus::kill(never_yields, 9) == error(Errno::srch));
    // The core goes on: its next fiber runs.
    ended_count = 0;
    (void)spawn_on(core, [](uint64_t) { ended_count = 1; }, 0);
    test::check("its core goes on", soon([] { return ended_count == 1; }));
    // The other way round: a sleeper at home, killed from there.
    auto sleeper = *nexus::spawn([] { nexus::sleep_until(nexus::never); });
    nexus::yield();
    killed = 1;
    (void)spawn_on(
        core,
        [](uint64_t id) {
            const auto done = nexus::call::kill(static_cast<FiberId>(id), 5);
            killed = done ? 0 : -std::to_underlying(done.error());
        },
        std::to_underlying(sleeper.id()));
    test::check("a fiber at home is killed from another core", soon([] { return killed == 0; }));
    test::check("and is gone", soon([&] { return gone(sleeper.id()); }));
}

// A bell for the last fiber of a slot in which another lives now, and a wait: nobody is waited for.
void rings_the_dead(uint32_t core) {
    const auto sleeps = [](uint64_t) { nexus::sleep_until(nexus::never); };
    const auto dead = *spawn_on(core, sleeps, 0);
    test::check("a sleeper elsewhere is killed", nexus::kill(dead, 9) && soon([&] { return gone(dead); }));
    const auto next = *spawn_on(core, sleeps, 0);
    const uint64_t slots = std::to_underlying(dead) ^ std::to_underlying(next);
    test::check("another has its slot", static_cast<uint32_t>(slots) == 0 && dead != next);
    auto rings = *nexus::spawn([dead] {
        const uint64_t peer = std::to_underlying(dead); // on this fiber's stack
        const auto rung = nexus::call::yield(RUMPK_CHANNEL_RX, 0, RUMPK_NEVER, 0, std::span(&peer, 1));
        test::check("to ring the first and wait is ESRCH", rung == error(Errno::srch));
    });
    (void)rings.join();
    (void)nexus::kill(next, 9);
    test::check("and is gone", soon([&] { return gone(next); }));
}

// Spawns on the core after its own, and the last one tells.
void chain(uint64_t left) {
    if (left == 0) {
        ended_count.fetch_add(1);
        return;
    }
    const uint32_t here = nexus::meta_fiber(nexus::self())->core;
    while (spawn_on((here + 1) % cores, chain, left - 1) == error(Errno::nomem)) {
        nexus::yield();
    }
}

void chains(uint64_t length) {
    ended_count = 0;
    constexpr uint64_t at_once = 8;
    for (uint64_t i = 0; i < at_once; ++i) {
        (void)spawn_on(static_cast<uint32_t>(i % cores), chain, length);
    }
    test::check("each core spawns on the next", soon([] { return ended_count == at_once; }));
}

// The first fiber's slot stays its own: its rings are the console's, whoever came after it.
void after_the_first() {
    nexus::sleep_for(std::chrono::milliseconds(5)); // it has ended by then
    bool first_again = false;
    for (uint32_t i = 0; i < 2 * cores; ++i) {
        const auto fiber = spawn_on(
            i % cores, [](uint64_t) { (void)nexus::call::yield(RUMPK_CHANNEL_RX, 0, RUMPK_NEVER, 0); }, 0);
        first_again |= static_cast<uint32_t>(std::to_underlying(*fiber)) == 0;
    }
    test::check("nobody gets the first fiber's slot", !first_again);
    std::exit(test::result());
}

} // namespace

int main(int argc, char** argv) {
    cores = nexus::meta_system()->cores;
    const uint32_t home = nexus::meta_self()->home_core;
    const uint32_t elsewhere = home == cores - 1 ? 0 : cores - 1; // any core may have booted
    if (argc == 2 && *argv[1] == 'f') {
        auto other = *nexus::spawn(after_the_first, {.stack_size = 16384});
        other.detach();
        nexus::exit_fiber();
    }
    if (argc == 2) {
        static int code = 0;
        code = std::atoi(argv[1]);
        (void)spawn_on(
            elsewhere,
            [](uint64_t) {
                nexus::sleep_for(std::chrono::milliseconds(20));
                (void)nexus::call::halt(code, RUMPK_SCOPE_CELL);
            },
            0);
        // The home core is busy for ever, above the console's tier.
        (void)spawn_on(home, spin, 0, nexus::Tier::photon);
        nexus::sleep_until(nexus::never);
    }
    refusals(elsewhere);
    for (uint32_t core = 0; core < cores; ++core) {
        if (core == home) {
            continue;
        }
        calls_away_from_home(core);
        bells(core, 20'000);
        rings(core, 5000);
        kills(core);
        rings_the_dead(core);
    }
    chains(100);
    return test::result();
}
