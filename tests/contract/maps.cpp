// SPDX-License-Identifier: Apache-2.0
// map, which may be called before start alone: what it refuses, and what it leaves
// for the tests of faults.
#include "tests/contract/contract.h"
#include "tests/contract/places.h"

namespace contract {

uint64_t gate_calls[RUMPK_CALL_COUNT];

namespace {

constexpr uint32_t r = HAL_MAP_READ;
constexpr uint32_t rw = HAL_MAP_READ | HAL_MAP_WRITE;
constexpr uint32_t rx = HAL_MAP_READ | HAL_MAP_EXEC;

int map(uint64_t address, uint64_t number, uint64_t pages, uint32_t rights) {
    return machine->map(address, frame(number), pages * page, rights);
}

void map_refuses() {
    EXPECT_EQUAL(map(place_free + 1, 0, 1, rw), -RUMPK_EINVAL);
    EXPECT_EQUAL(machine->map(place_free, frame(0) + 8, page, rw), -RUMPK_EINVAL);
    EXPECT_EQUAL(machine->map(place_free, frame(0), page + 8, rw), -RUMPK_EINVAL);
    EXPECT_EQUAL(map(place_free, 0, 0, rw), -RUMPK_EINVAL);
    EXPECT_EQUAL(map(place_free, 0, 1, rw | HAL_MAP_EXEC), -RUMPK_EINVAL);
    EXPECT_EQUAL(map(place_free, 0, 1, HAL_MAP_WRITE | HAL_MAP_EXEC), -RUMPK_EINVAL);
    EXPECT_EQUAL(map(place_free, 0, 1, 1u << 31), -RUMPK_EINVAL);
    // A range that wraps.
    EXPECT_EQUAL(machine->map(place_free, frame(0), ~0ull & ~(page - 1), rw), -RUMPK_EINVAL);
    EXPECT_EQUAL(machine->map(~0ull & ~(page - 1), frame(0), 2 * page, rw), -RUMPK_EINVAL);
    // Addresses that the kernel owns: the null page, its text, its data, the direct map.
    EXPECT_EQUAL(map(0, 0, 1, rw), -RUMPK_EINVAL);
    EXPECT_EQUAL(map(page_of(machine->boot->kernel_text_base), 0, 1, r), -RUMPK_EINVAL);
    EXPECT_EQUAL(map(page_of(reinterpret_cast<uint64_t>(&hooks)), 0, 1, rw), -RUMPK_EINVAL);
    EXPECT_EQUAL(map(frame(0) + machine->boot->direct_map, 0, 1, rw), -RUMPK_EINVAL);
}

void map_puts_frames_where_asked() {
    EXPECT_EQUAL(map(place_data, frame_data, 2, rw), 0);
    auto* there = reinterpret_cast<volatile uint64_t*>(place_data);
    volatile uint64_t* here = frame_touch(frame_data);
    *here = 11;
    EXPECT_EQUAL(*there, 11);
    there[page / 8] = 12;
    EXPECT_EQUAL(here[page / 8], 12);
    // The same frame a second time, elsewhere.
    EXPECT_EQUAL(map(place_alias, frame_data, 1, rw), 0);
    *reinterpret_cast<volatile uint64_t*>(place_alias) = 13;
    EXPECT_EQUAL(*there, 13);
}

void map_does_not_replace() {
    EXPECT_EQUAL(map(place_data, frame_data + 2, 1, rw), -RUMPK_EEXIST);
    EXPECT_EQUAL(map(place_data, frame_data + 2, 1, r), -RUMPK_EEXIST);
    // The whole range or nothing: the pages before the occupied one stay free.
    EXPECT_EQUAL(map(place_data - 2 * page, frame_data + 2, 3, rw), -RUMPK_EEXIST);
    EXPECT_EQUAL(map(place_data - 2 * page, frame_data + 2, 2, rw), 0);
    EXPECT_EQUAL(machine->unmap(place_data - 2 * page, 2 * page), 0);
    EXPECT_EQUAL(*reinterpret_cast<volatile uint64_t*>(place_data), 13);
}

// Megabytes at once, and page by page with holes: page tables of every level.
void map_takes_large_and_scattered_ranges() {
    EXPECT_EQUAL(map(place_large, frame_large, large_pages, rw), 0);
    for (uint64_t i = 0; i < large_pages; i += 97) {
        *reinterpret_cast<volatile uint64_t*>(place_large + i * page) = i;
        EXPECT_EQUAL(*frame_touch(frame_large + i), i);
    }
    EXPECT_EQUAL(machine->unmap(place_large, large_pages * page), 0);
    for (uint64_t i = 0; i < 64; i++) {
        EXPECT_EQUAL(map(place_large + 2 * i * page, frame_large + i, 1, rw), 0);
        *reinterpret_cast<volatile uint64_t*>(place_large + 2 * i * page) = i + 1;
    }
    for (uint64_t i = 0; i < 64; i++) {
        EXPECT_EQUAL(*frame_touch(frame_large + i), i + 1);
        EXPECT_EQUAL(machine->unmap(place_large + 2 * i * page, page), 0);
    }
}

// For user.cpp. The gate's place is nobody else's.
void map_makes_the_gate() {
    if (machine->user == nullptr) {
        return;
    }
    EXPECT_EQUAL(map(place_user_code, frame_user_code, 1, rx | HAL_MAP_USER), 0);
    EXPECT_EQUAL(map(place_user_data, frame_user_data, 1, rw | HAL_MAP_USER), 0);
    for (uint64_t number = 0; number < RUMPK_CALL_COUNT; number++) {
        gate_calls[number] = gate_function(number);
    }
    EXPECT_EQUAL(machine->user->make_gate(gate_calls), 0);
    const uint64_t gate = machine->boot->systable_address + page;
    for (uint64_t number = 0; number < RUMPK_CALL_COUNT; number++) {
        EXPECT_EQUAL(page_of(gate_calls[number]), gate);
        for (uint64_t other = 0; other < number; other++) {
            EXPECT(gate_calls[number] != gate_calls[other]);
        }
    }
    EXPECT_EQUAL(map(gate, 0, 1, rw), -RUMPK_EINVAL);
}

void map_prepares_places() {
    EXPECT_EQUAL(map(place_read, frame_data, 1, r), 0);
    EXPECT_EQUAL(map(place_code, frame_code, 1, rx), 0);
    EXPECT_EQUAL(map(place_code_data, frame_code, 1, rw), 0);
    EXPECT_EQUAL(map(place_gone, frame_data, 1, rw), 0);
    EXPECT_EQUAL(machine->map(machine->boot->systable_address, machine->boot->systable_physical, page, r), 0);
}

} // namespace

const Test tests_of_maps[] = {
    {"map refuses", map_refuses},
    {"map puts frames where asked", map_puts_frames_where_asked},
    {"map does not replace", map_does_not_replace},
    {"map takes large and scattered ranges", map_takes_large_and_scattered_ranges},
    {"map makes the gate", map_makes_the_gate},
    {"map prepares places", map_prepares_places},
    {nullptr, nullptr},
};

} // namespace contract
