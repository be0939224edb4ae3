// SPDX-License-Identifier: Apache-2.0
//
// The driver of the entropy device, and a fiber of the highest tier that ends it wherever it is.
//     lives N SEED     N lives end, each in a way and at a moment drawn from the seed; the next one goes on
//     lives 1 minute   one ends in its second minute, if the kernel has taken entropy from it twice by then
//     lives 3 places   three end at what is not the driver's: where other devices' registers could be, those
//                      of the kernel's, and the memory of the application
#include <array>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <nexus/fiber.h>

#include "drivers/virtio-rng/rng.h"
#include "drivers/virtio/queue.h"
#include "drivers/virtio/transport.h"
#include "tests/apps/ways.h"

namespace {

using namespace test::ways;

// Of the rings whose other end is the kernel's, words are changed, and their bells rung: the kernel is to
// believe none of it.
void spoil_rings() {
    for (uint64_t rounds = 1 + noise.below(4); rounds-- > 0;) {
        for (const std::string_view name : {"rng", "entropy"}) {
            const uint32_t right = name == "rng" ? RUMPK_RIGHT_READ : RUMPK_RIGHT_WRITE;
            rumpk_meta_channel ring{};
            const auto slot = nexus::detail::find_channel(name, right, ring);
            if (!slot) {
                continue;
            }
            const uint64_t words = (RUMPK_RING_HEADER_SIZE + uint64_t{ring.slots} * ring.slot_size) / 4;
            for (uint64_t i = 1 + noise.below(8); i-- > 0;) {
                auto* const word = hidden<volatile uint32_t>(ring.base + noise.below(words) * 4);
                const uint32_t values[]{0, 1, *word + 1, *word - 1, ~0U};
                *word = noise.one_of(values);
            }
            (void)nexus::call::yield(0, uint64_t{1} << *slot, 0, RUMPK_YIELD_NOWAIT);
        }
    }
    load();
}

// Is there a message of the kernel's that the driver has not released?
bool interrupt_under_way() {
    rumpk_meta_channel ring{};
    (void)nexus::detail::find_channel("rng", RUMPK_RIGHT_READ, ring);
    const auto* const header = hidden<const volatile rumpk_ring_header>(ring.base);
    const auto* const slot = hidden<const volatile rumpk_slot_header>(ring.base + RUMPK_RING_HEADER_SIZE);
    return slot->sequence == static_cast<uint32_t>(header->consumer.position) + 1;
}

// Ends with an interrupt of the device's that the driver has not seen. There may be one when this fiber is
// woken, for an emulator with one thread for timers and devices tells of both at once; and none comes later
// but who asks the device for it, for nobody else is given the core.
void with_an_interrupt() {
    const auto device = nexus::Device::open("rng");
    auto transport = virtio::Transport::begin(*device);
    const rumpk_meta_device& facts = device->facts();
    virtio::Queue<2> queue(hidden<std::byte>(facts.memory), facts.physical);
    (void)transport->add_queue(0, 2, queue.descriptors(), queue.available(), queue.used());
    transport->start();
    queue.offer(0, facts.physical + facts.memory_size / 2, 16);
    transport->notify(0);
    while (!interrupt_under_way()) {
    }
    load();
}

constexpr void (*ends[])(){load,     store, jump,  illegal,     overflow,
                           overflow, leave, leave, spoil_rings, spoil_rings};

void go_bad(uint64_t) {
    nexus::sleep_for(std::chrono::microseconds(noise.below(3000)));
    if (noise.below(50) == 0) { // rarely: it takes a heartbeat
        hang();
    }
    noise.one_of(ends)();
}

void go_bad_with_an_interrupt(uint64_t) {
    nexus::sleep_for(std::chrono::microseconds(noise.below(3000)));
    with_an_interrupt();
}

void touch(uint64_t address) {
    nexus::sleep_for(std::chrono::milliseconds(5));
    read_at(address);
}

// How many lives there were before this one: who opens an end counts on.
uint32_t lives_before() {
    rumpk_meta_channel ring{};
    (void)nexus::detail::find_channel("rng.bytes", RUMPK_RIGHT_WRITE, ring);
    return hidden<rumpk_ring_header>(ring.base)->producer.epoch - 1;
}

// What the kernel has released it has mixed in.
void end_after_two_seeds(uint64_t) {
    nexus::sleep_for(std::chrono::seconds(61));
    rumpk_meta_channel ring{};
    const auto found = nexus::detail::find_channel("entropy", RUMPK_RIGHT_WRITE, ring);
    if (found && hidden<volatile rumpk_ring_header>(ring.base)->consumer.position == 2) {
        load();
    }
}

// Of so many lives. The last one as well: nobody spoils a ring after it, which would have the kernel look
// again.
bool ends_with_an_interrupt(uint32_t life, uint64_t lives) {
    return life < lives && (life % 5 == 1 || life + 1 == lives);
}

void start(void (*what)(uint64_t), uint64_t argument) {
    (void)nexus::spawn(what, argument, {.name = "bad", .tier = nexus::Tier::photon, .bare = true});
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 3 ? argv[3] : "";
    const uint32_t life = lives_before();
    const uint64_t lives = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 0;
    if (what != "places" && what != "minute" && life != 0 && ends_with_an_interrupt(life - 1, lives) &&
        !interrupt_under_way()) {
        return 9; // the kernel has not told again; what comes of that is that the device is never driven
    }
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
    } else if (what == "minute") {
        if (life == 0) {
            start(end_after_two_seeds, 0);
        }
    } else if (life < lives) {
        noise = Noise(std::strtoul(argc > 3 ? argv[3] : "1", nullptr, 10) * 1'000'003 + life);
        start(ends_with_an_interrupt(life, lives) ? go_bad_with_an_interrupt : go_bad, 0);
    }
    rng->serve();
}
