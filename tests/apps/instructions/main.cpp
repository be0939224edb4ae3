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

template <uint32_t slots>
struct Table {
    nexus::channel<uint64_t, slots> there;
    nexus::channel<uint64_t, slots> back;
};

template <uint32_t slots>
void answers(Table<slots>& table) {
    nexus::dialogue answers(table.back, table.there);
    auto value = table.there.receive();
    while (value) {
        value = answers.exchange(*value + 1);
    }
}

// `rests`: turns between an answer and the next question; with any the other side falls asleep.
template <uint32_t slots>
uint64_t asks(Table<slots>& table, uint32_t rests) {
    nexus::dialogue asks(table.there, table.back);
    uint64_t value = 0;
    begun = nexus::now();
    for (long i = 0; i < rounds; ++i) {
        const auto answer = asks.exchange(value);
        if (!answer) {
            break;
        }
        value = *answer;
        for (uint32_t rest = 0; rest < rests; ++rest) {
            nexus::yield();
        }
    }
    ended = nexus::now();
    table.there.close();
    return value;
}

template <uint32_t slots>
void pingpong(const char* name, uint32_t rests = 0) {
    Table<slots> table;
    auto other = nexus::spawn([&] { answers(table); });
    const uint64_t value = asks(table, rests);
    if (other && other->join() == 0 && value == rounds) {
        say(name, begun, ended, rounds);
    }
}

// The other side is a bare fiber of another tier: it runs before who asks, or only while that waits.
template <nexus::Tier tier>
void pingpong_with(const char* name) {
    Table<16> table;
    const auto entry = [](uint64_t argument) { answers(*reinterpret_cast<Table<16>*>(argument)); };
    const auto other = nexus::spawn(entry, reinterpret_cast<uintptr_t>(&table), {.tier = tier, .bare = true});
    if (other && asks(table, 0) == rounds) {
        say(name, begun, ended, rounds);
    }
    nexus::sleep_for(std::chrono::milliseconds(1)); // it sees the end
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
    pingpong<16>("pingpong.instructions");
    pingpong<4>("pingpong.instructions.four");
    pingpong<16>("pingpong.instructions.asleep", 2);
    pingpong_with<nexus::Tier::photon>("pingpong.instructions.higher");
    pingpong_with<nexus::Tier::void_>("pingpong.instructions.lower");
    spawn_end();
    switches("switch.instructions", false);
    switches("switch.instructions.float", true);
}
