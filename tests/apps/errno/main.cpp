// SPDX-License-Identifier: Apache-2.0
//
// errno belongs to the fiber: whoever runs while a fiber waits, or interrupts it, leaves it as it was.
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <unistd.h>

#include <nexus/channel.h>
#include <nexus/fiber.h>

#include "tests/apps/check.h"

namespace {

using namespace std::chrono_literals;

constexpr int rounds = 20;
constexpr int interruptions = 50;
constexpr auto limit = std::chrono::seconds(20);

int lost = 0; // times that errno was another one's

// One way to wait, many times over; others do the same meanwhile with numbers of their own.
template <class Wait>
void keep(int number, Wait wait) {
    for (int round = 0; round < rounds; ++round) {
        errno = number + round;
        wait(round);
        lost += errno != number + round;
    }
}

void waits() {
    nexus::channel<int, 2> numbers;
    nexus::Fiber fibers[] = {
        *nexus::spawn([] { keep(1000, [](int) { nexus::yield(); }); }),
        *nexus::spawn([] { keep(2000, [](int) { nexus::sleep_for(200us); }); }),
        *nexus::spawn([] { keep(3000, [](int) { usleep(100); }); }),
        *nexus::spawn([&] { keep(4000, [&](int round) { (void)numbers.send(round); }); },
                      {.stack_size = 8192}),
        *nexus::spawn([&] { keep(5000, [&](int) { (void)numbers.receive(); }); }, {.stack_size = 8192}),
        *nexus::spawn([] { keep(6000, [](int) { (void)nexus::spawn([] { errno = 1; })->join(); }); }),
    };
    for (nexus::Fiber& fiber : fibers) {
        (void)fiber.join();
    }
    test::equal("a wait gives errno back", lost, 0);
}

// Full rings make the writers wait for each other.
void output() {
    lost = 0;
    std::array<char, 900> line;
    line.fill('.');
    line.back() = '\n';
    const auto print = [&](int number) {
        keep(number, [&](int) { (void)write(2, line.data(), line.size()); });
    };
    auto one = nexus::spawn([&] { print(7000); });
    auto two = nexus::spawn([&] { print(8000); });
    (void)one->join();
    (void)two->join();
    test::equal("a write that waits gives errno back", lost, 0);
}

std::atomic<int> overtaken{0};

// Runs in the middle of what main does; waits itself, with errno as main has left it.
void interrupt() {
    while (overtaken.load(std::memory_order_relaxed) < interruptions) {
        nexus::sleep_for(1ms);
        overtaken.fetch_add(1, std::memory_order_relaxed);
    }
}

// errno changes while the other fiber sleeps: what that one saw then must not come back.
void interrupted_by(nexus::Tier tier, const char* name) {
    lost = 0;
    overtaken.store(0, std::memory_order_relaxed);
    auto fiber = nexus::spawn(interrupt, {.name = name, .tier = tier, .bare = true});
    const nexus::Instant end = nexus::now() + limit;
    for (int number = 1; overtaken.load(std::memory_order_relaxed) < interruptions && nexus::now() < end;
         ++number) {
        errno = number;
        for (int turn = 0; turn < 1000; ++turn) {
            std::atomic_signal_fence(std::memory_order_seq_cst); // errno is read again each time
            lost += errno != number;
        }
        if (tier == nexus::Tier::void_) {
            nexus::sleep_for(100us); // it runs only while nobody else can
        }
        lost += errno != number;
    }
    test::equal("it ran", overtaken.load(), interruptions);
    test::equal(name, lost, 0);
    (void)fiber->join();
}

} // namespace

int main() {
    waits();
    output();
    interrupted_by(nexus::Tier::photon, "a photon fiber");
    interrupted_by(nexus::Tier::matter, "a matter fiber");
    interrupted_by(nexus::Tier::void_, "a void fiber");
    return test::result();
}
