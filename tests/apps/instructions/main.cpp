// SPDX-License-Identifier: Apache-2.0
//
// What switching, a message and back, and a fiber's whole life take: nanoseconds on a machine that runs in
// real time, instructions where the emulator executes one a nanosecond (./rumpk bench fibers).
#include <cstdio>
#include <utility>

#include <nexus/dialogue.h>
#include <nexus/fiber.h>
#include <nexus/meta.h>

namespace {

constexpr long rounds = 20'000;

void say(const char* name, nexus::Instant begun, nexus::Instant ended, long count) {
    const auto ns = static_cast<long>((ended - begun).count());
    std::printf("%s %ld.%02ld\n", name, ns / count, ns % count * 100 / count);
}

nexus::Instant begun;
nexus::Instant ended;

// Two of them: the first is back from its first yield when both have begun.
void yields(uint64_t number) {
    nexus::yield();
    if (number == 0) {
        begun = nexus::now();
    }
    for (long i = 0; i < rounds; ++i) {
        nexus::yield();
    }
    if (number == 0) {
        ended = nexus::now();
    }
}

// Fibers' times are counted; `floats`: by fibers that have floating-point registers to keep.
void switches(const char* name, bool floats) {
    (void)nexus::meta_fiber();
    const auto fiber = [floats](uint64_t number) {
        volatile double value = 1.5;
        if (floats) {
            value = value * value;
        }
        yields(number);
    };
    auto one = nexus::spawn([&] { fiber(0); });
    auto other = nexus::spawn([&] { fiber(1); });
    if (one && other && one->join() == 0 && other->join() == 0) {
        say(name, begun, ended, 2 * rounds);
    }
}

void pingpong() {
    nexus::channel<uint64_t, 4> there;
    nexus::channel<uint64_t, 4> back;
    auto other = nexus::spawn([&] {
        nexus::dialogue answers(back, there);
        auto value = there.receive();
        while (value) {
            value = answers.exchange(*value + 1);
        }
    });
    nexus::dialogue asks(there, back);
    uint64_t value = 0;
    begun = nexus::now();
    for (long i = 0; i < rounds; ++i) {
        value = asks.exchange(value).value_or(0);
    }
    ended = nexus::now();
    there.close();
    if (other && other->join() == 0 && value == rounds) {
        say("pingpong.instructions", begun, ended, rounds);
    }
}

long lived = 0;

void spawn_end() {
    const auto lives = [](uint64_t) { ++lived; };
    begun = nexus::now();
    for (long i = 0; i < rounds; ++i) {
        (void)nexus::spawn(lives, 0, {.stack_size = 1024});
        nexus::yield();
    }
    ended = nexus::now();
    if (lived == rounds) {
        say("spawn_end.instructions", begun, ended, rounds);
    }
}

} // namespace

int main() {
    pingpong();
    spawn_end();
    switches("switch.instructions", false);
    switches("switch.instructions.float", true);
}
