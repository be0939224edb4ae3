// SPDX-License-Identifier: Apache-2.0
//
// The driver of the entropy device, and a fiber of the highest tier that ends it wherever it is.
//     lives N SEED     N lives end, each in a way and at a moment drawn from the seed; the next one goes on
//     lives 3 places   three end at what is not the driver's: where other devices' registers could be, those
//                      of the kernel's, and the memory of the application
#include <array>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <nexus/fiber.h>

#include "drivers/virtio-rng/rng.h"

namespace {

volatile uint64_t sink;
uint64_t state; // of SplitMix64

uint64_t draw(uint64_t below) {
    uint64_t z = state += 0x9e37'79b9'7f4a'7c15;
    z = (z ^ z >> 30) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ z >> 27) * 0x94d0'49bb'1331'11eb;
    return (z ^ z >> 31) % below;
}

template <class T>
[[gnu::noinline]] T* hidden(uint64_t address) {
    static volatile uint64_t kept;
    kept = address;
    return reinterpret_cast<T*>(static_cast<uintptr_t>(kept));
}

// What nothing of the cell's may do: each ends it.
void load() {
    sink = *hidden<volatile uint8_t>(draw(4096));
}
void store() {
    *hidden<volatile uint32_t>(reinterpret_cast<uintptr_t>(&load) & ~uintptr_t{3}) = 0;
}
void jump() {
    hidden<void()>(0)();
}
void illegal() {
    __builtin_trap();
}
#pragma clang diagnostic ignored "-Winfinite-recursion" // it is the point
[[gnu::noinline]] uint64_t deeper(uint64_t depth) {
    volatile char frame[200];
    frame[0] = static_cast<char>(depth);
    return deeper(depth + 1) + static_cast<uint64_t>(frame[0]);
}
void overflow() {
    sink = deeper(0);
}
void hang() {
    for (;;) {
        sink = sink + 1;
    }
}
void leave() {
    (void)nexus::call::halt(3, RUMPK_SCOPE_CELL);
}

// Of the rings whose other end is the kernel's, words are changed, and their bells rung: the kernel is to
// believe none of it.
void spoil_rings() {
    for (uint64_t rounds = 1 + draw(4); rounds-- > 0;) {
        for (const std::string_view name : {"rng", "entropy"}) {
            const uint32_t right = name == "rng" ? RUMPK_RIGHT_READ : RUMPK_RIGHT_WRITE;
            rumpk_meta_channel ring{};
            const auto slot = nexus::detail::find_channel(name, right, ring);
            if (!slot) {
                continue;
            }
            const uint64_t words = (RUMPK_RING_HEADER_SIZE + uint64_t{ring.slots} * ring.slot_size) / 4;
            for (uint64_t i = 1 + draw(8); i-- > 0;) {
                auto* const word = hidden<volatile uint32_t>(ring.base + draw(words) * 4);
                const std::array<uint32_t, 5> values{0, 1, *word + 1, *word - 1, ~0U};
                *word = values[draw(values.size())];
            }
            (void)nexus::call::yield(0, uint64_t{1} << *slot, 0, RUMPK_YIELD_NOWAIT);
        }
    }
    load();
}

constexpr std::array<void (*)(), 10> ends{load,     store, jump,  illegal,     overflow,
                                          overflow, leave, leave, spoil_rings, spoil_rings};

void go_bad(uint64_t) {
    nexus::sleep_for(std::chrono::microseconds(draw(3000)));
    if (draw(50) == 0) { // rarely: it takes a heartbeat
        hang();
    }
    ends[draw(ends.size())]();
}

void touch(uint64_t address) {
    nexus::sleep_for(std::chrono::milliseconds(5));
    sink = *hidden<volatile uint32_t>(address);
}

// How many lives there were before this one: who opens an end counts on.
uint32_t lives_before() {
    rumpk_meta_channel ring{};
    (void)nexus::detail::find_channel("rng.bytes", RUMPK_RIGHT_WRITE, ring);
    return hidden<rumpk_ring_header>(ring.base)->producer.epoch - 1;
}

void start(void (*what)(uint64_t), uint64_t argument) {
    (void)nexus::spawn(what, argument, {.name = "bad", .tier = nexus::Tier::photon, .bare = true});
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 3 ? argv[3] : "";
    const uint32_t life = lives_before();
    auto rng = virtio::Rng::open();
    if (!rng || argc < 3) {
        return 2;
    }
    if (what == "places") {
        const uint64_t registers = nexus::Device::open("rng")->facts().registers;
        const std::array<uint64_t, 3> places{(registers & ~uint64_t{4095}) + 4096, 0x1'0000'0000,
                                             RUMPK_WINDOW_A};
        if (life < places.size()) {
            start(touch, places[life]);
        }
    } else if (life < std::strtoul(argv[2], nullptr, 10)) {
        state = std::strtoul(argc > 3 ? argv[3] : "1", nullptr, 10) * 1'000'003 + life;
        start(go_bad, 0);
    }
    rng->serve();
}
