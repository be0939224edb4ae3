// SPDX-License-Identifier: Apache-2.0
//
// Void fibers calculate, allocate and print while Photon fibers, which calculate as well, interrupt them
// as often as the argument says. Nobody's numbers, memory or text change for it.
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <nexus/channel.h>
#include <nexus/fiber.h>
#include <nexus/meta.h>

#include "tests/apps/check.h"

namespace {

constexpr auto relaxed = std::memory_order_relaxed;
std::atomic<bool> stop = false;
std::atomic<uint64_t> wrong_photon = 0, wakes = 0;
uint64_t wrong_sum = 0, wrong_memory = 0, wrong_text = 0, wrong_message = 0;
uint64_t sums = 0, blocks = 0, texts = 0, messages = 0;

nexus::channel<double, 64> flow;

// Read at each use, so that the compiler cannot know that a sum comes out the same again.
volatile double scale = 1.0;

// Many values live in floating-point registers at once, and every bit of the result counts.
[[gnu::noinline]] double series(double x, int terms) {
    x *= scale;
    double a = x, b = x * 0.5, c = x * 0.25, d = 1.0 / x;
    for (int i = 1; i <= terms; ++i) {
        a += 1.0 / (b + i);
        b = b * 0.75 + d;
        c += a * d - b;
        d = d * 0.5 + 1.0 / (c * c + 1.0);
    }
    return a + b + c + d;
}

// Photon, bare: sleeps some microseconds, calculates, sends. And sleeps three times as long as all that took,
// so that the others have a part of the core however slow the machine is; or nobody would be interrupted.
void interrupt(uint64_t seed) {
    const double x = 1.0 + static_cast<double>(seed);
    const double expected = series(x, 20);
    double sent = 0;
    uint64_t pause = 5'000 + 3'000 * seed; // ns
    uint64_t wake = nexus::deadline_of(nexus::now());
    while (!stop.load(relaxed)) {
        const uint64_t now = nexus::deadline_of(nexus::now());
        pause = 4'000 + (pause * 25'173 + 13'849) % 16'384;
        wake = now + pause + 3 * (now - wake);
        (void)nexus::call::yield(0, 0, wake, 0);
        wakes.fetch_add(1, relaxed);
        if (series(x, 20) != expected) {
            wrong_photon.fetch_add(1, relaxed);
        }
        if (seed == 0 && flow.try_send(sent)) {
            sent += 1;
        }
    }
}

void calculate() {
    const double expected = series(3.7, 500);
    for (; !stop.load(relaxed); ++sums) {
        wrong_sum += series(3.7, 500) != expected ? 1 : 0;
        nexus::yield();
    }
}

void allocate() {
    std::array<unsigned char*, 16> kept{};
    std::array<size_t, 16> size{};
    for (uint64_t i = 1; !stop.load(relaxed); ++i, ++blocks) {
        const size_t at = i * 7 % kept.size();
        if (kept[at] != nullptr) {
            for (size_t k = 0; k < size[at]; ++k) {
                wrong_memory += kept[at][k] != static_cast<unsigned char>(at + 1) ? 1 : 0;
            }
        }
        std::free(kept[at]);
        size[at] = 16 + i * 131 % 1500;
        kept[at] = static_cast<unsigned char*>(std::malloc(size[at]));
        std::memset(kept[at], static_cast<int>(at + 1), size[at]);
        if (i % 8 == 0) {
            nexus::yield();
        }
    }
    for (unsigned char* block : kept) {
        std::free(block);
    }
}

void print() {
    std::array<char, 96> expected{}, text{};
    std::snprintf(expected.data(), expected.size(), "%.17g %08x %s %.9e", 2.0 / 3.0, 0xbeefu, "text",
                  -1.0 / 7.0);
    for (; !stop.load(relaxed); ++texts) {
        std::snprintf(text.data(), text.size(), "%.17g %08x %s %.9e", 2.0 / 3.0, 0xbeefu, "text", -1.0 / 7.0);
        wrong_text += text != expected ? 1 : 0;
        if (texts % 256 == 0) {
            std::fprintf(stderr, "%s\n", text.data());
        }
        nexus::yield();
    }
}

void receive() {
    for (double next = 0; !stop.load(relaxed);) {
        while (auto value = flow.try_receive()) {
            wrong_message += *value != next ? 1 : 0;
            next = *value + 1;
            ++messages;
        }
        nexus::yield();
    }
}

} // namespace

int main(int argc, char** argv) {
    const uint64_t wanted = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 10'000;
    std::array<nexus::Fiber, 4> fibers{*nexus::spawn(calculate), *nexus::spawn(allocate),
                                       *nexus::spawn(print, {.stack_size = 16384}), *nexus::spawn(receive)};
    for (uint64_t seed = 0; seed < 3; ++seed) {
        (void)*nexus::spawn(interrupt, seed, {.name = "photon", .tier = nexus::Tier::photon, .bare = true});
    }
    uint64_t preemptions = 0;
    while (preemptions < wanted) {
        preemptions = nexus::meta_system()->preemptions;
        nexus::yield();
    }
    stop = true;
    for (nexus::Fiber& fiber : fibers) {
        (void)fiber.join();
    }
    std::fprintf(stderr, "%llu preemptions, %llu wakes; %llu sums, %llu blocks, %llu texts, %llu messages\n",
                 static_cast<unsigned long long>(preemptions), static_cast<unsigned long long>(wakes.load()),
                 static_cast<unsigned long long>(sums), static_cast<unsigned long long>(blocks),
                 static_cast<unsigned long long>(texts), static_cast<unsigned long long>(messages));
    test::check("interrupted often enough", preemptions >= wanted);
    test::check("all did something", sums != 0 && blocks != 0 && texts != 0 && messages != 0);
    test::equal("sums that came out wrong", static_cast<long long>(wrong_sum), 0);
    test::equal("the interrupting fibers' sums", static_cast<long long>(wrong_photon), 0);
    test::equal("bytes of memory that changed", static_cast<long long>(wrong_memory), 0);
    test::equal("texts that came out wrong", static_cast<long long>(wrong_text), 0);
    test::equal("messages out of order", static_cast<long long>(wrong_message), 0);
    return test::result();
}
