// SPDX-License-Identifier: Apache-2.0
//
// The console's driver, which ends again and again: each life at a moment and in a way drawn from the seed,
// just before some access to its port.
//     WHAT N LIVES SEED     LIVES lives end so, the next one goes on
//     WHAT N 3 places       three end at what is not the driver's: the page behind its registers, where the
//                           kernel has its devices, the memory of the application
//     WHAT N 2 hang         two hang, until their heartbeat is missed
//     WHAT N LIVES soon     LIVES fault after some thousand bytes
//     WHAT N LIVES spoil    LIVES change words of the rings that they have with the kernel, and fault
//     WHAT N 1 end-hang     lets the image come to its end first, and hangs then, in the middle of its output
//     WHAT N 1 end-fault    the same, and faults
#pragma once

#include <array>
#include <cstdlib>
#include <string_view>

#include <nexus/fiber.h>
#include <nexus/meta.h>

#include "drivers/uart/console_driver.h"
#include "tests/apps/ways.h"

namespace uart {

// Of this life: it ends in this way when so many accesses to the port have been made; nullptr: it does not.
inline void (*end_now)() = nullptr;
inline uint64_t accesses_left = 0;
inline uint64_t registers_page = 0;

template <class Port>
class BadPort {
  public:
    explicit BadPort(const nexus::Device& device) : port_(device) {
        registers_page = device.facts().registers & ~uint64_t{4095};
    }
    [[nodiscard]] bool begin() {
        step();
        return port_.begin();
    }
    [[nodiscard]] bool takes_more() {
        step();
        return port_.takes_more();
    }
    void put(uint8_t byte) {
        step();
        port_.put(byte);
    }
    [[nodiscard]] bool has_more() {
        step();
        return port_.has_more();
    }
    [[nodiscard]] uint8_t get() {
        step();
        return port_.get();
    }
    void want(Wish wish) {
        step();
        port_.want(wish);
    }

  private:
    static void step() {
        if (end_now != nullptr && accesses_left-- == 0) {
            end_now();
        }
    }
    Port port_;
};

// The kernel is to believe nothing of what stands there, and to be rung for it.
inline void spoil() {
    using namespace test::ways;
    for (const std::string_view name : {"console.out", "console.in"}) {
        const uint32_t right = name == "console.out" ? RUMPK_RIGHT_READ : RUMPK_RIGHT_WRITE;
        rumpk_meta_channel ring{};
        const auto slot = nexus::detail::find_channel(name, right, ring);
        if (!slot) {
            continue;
        }
        const uint64_t words = (RUMPK_RING_HEADER_SIZE + uint64_t{ring.slots} * ring.slot_size) / 4;
        for (uint64_t i = 0; i < 200; ++i) {
            // One in four in the header, where it is noticed most.
            const uint64_t at = noise.below(i % 4 == 0 ? RUMPK_RING_HEADER_SIZE / 4 : words);
            auto* const word = hidden<volatile uint32_t>(ring.base + at * 4);
            const uint32_t values[]{0, 1, *word + 1, *word - 1, ~0U};
            *word = noise.one_of(values);
        }
        (void)nexus::call::yield(0, uint64_t{1} << *slot, 0, RUMPK_YIELD_NOWAIT);
    }
    load();
}

// The kernel counts lives in whatever the cell holds.
inline uint32_t lives_before() {
    for (uint32_t slot = 0; slot < RUMPK_CAP_SLOTS; ++slot) {
        const auto held = nexus::meta_capability(slot);
        if (held && held->kind == RUMPK_CAP_DEVICE) {
            return held->epoch - 1;
        }
    }
    return 0;
}

inline void choose(const char* argument, uint32_t life, uint64_t lives) {
    using namespace test::ways;
    const std::string_view how = argument;
    static constexpr void (*ends[])(){load, store, jump, illegal, overflow, leave, load, hang};
    if (life >= lives) {
        return;
    }
    if (how == "places") {
        static const std::array<uint64_t, 3> places{registers_page + 4096, 0x1'0000'0000, RUMPK_WINDOW_A};
        static uint64_t place = 0;
        place = places[life % places.size()];
        end_now = [] { read_at(place); };
    } else if (how == "hang") {
        end_now = hang;
        accesses_left = 100;
    } else if (how == "soon") {
        end_now = load;
        accesses_left = 2'000;
    } else if (how == "spoil") {
        noise = Noise(life);
        end_now = spoil;
        accesses_left = 100 + noise.below(400);
    } else if (how == "end-hang" || how == "end-fault") {
        // The application is done in far less, and the kernel gives a driver at the end one second.
        nexus::sleep_for(std::chrono::milliseconds(600));
        end_now = how == "end-hang" ? hang : load;
        accesses_left = 500;
    } else {
        noise = Noise(std::strtoul(argument, nullptr, 10) * 1'000'003 + life);
        accesses_left = noise.below(20'000); // a report is some 3,000
        end_now = noise.one_of(ends);
        if (end_now == hang && noise.below(20) != 0) { // it takes a heartbeat
            end_now = load;
        }
    }
}

template <class Port>
int be_bad(int argc, char** argv) {
    auto driver = ConsoleDriver<BadPort<Port>>::open();
    if (!driver || argc < 5) {
        return 2;
    }
    choose(argv[4], lives_before(), std::strtoul(argv[3], nullptr, 10)); // what it did so far is not counted
    driver->serve();
}

} // namespace uart
