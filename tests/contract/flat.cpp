// SPDX-License-Identifier: Apache-2.0
// Memory where nothing translates addresses, and regions say what programs at user privilege may touch: what
// map and the others refuse, and where the regions end. What they do to programs: user.cpp.
#include <initializer_list>

#include "tests/contract/accesses.h"
#include "tests/contract/places.h"
#include "tests/contract/probe.h"

namespace contract {

uint64_t gate_calls[RUMPK_CALL_COUNT];

namespace {

constexpr uint32_t r = HAL_MAP_READ;
constexpr uint32_t rw = HAL_MAP_READ | HAL_MAP_WRITE;
constexpr uint32_t rx = HAL_MAP_READ | HAL_MAP_EXEC;
constexpr uint32_t user = HAL_MAP_USER;

int map(uint64_t address, uint64_t pages, uint32_t rights) {
    return machine->map(address, address, pages * page, rights);
}

void map_refuses() {
    for (const uint32_t whose : {uint32_t{0}, user}) {
        EXPECT_EQUAL(machine->map(place_free + 1, place_free + 1, page, rw | whose), -RUMPK_EINVAL);
        EXPECT_EQUAL(machine->map(place_free, place_free, page + 8, rw | whose), -RUMPK_EINVAL);
        EXPECT_EQUAL(map(place_free, 0, rw | whose), -RUMPK_EINVAL);
        EXPECT_EQUAL(map(place_free, 1, rx | HAL_MAP_WRITE | whose), -RUMPK_EINVAL);
        EXPECT_EQUAL(map(place_free, 1, 1u << 31 | whose), -RUMPK_EINVAL);
        // A range that wraps, and all that is not where it is.
        EXPECT_EQUAL(machine->map(place_free, place_free, ~0ull & ~(page - 1), rw | whose), -RUMPK_EINVAL);
        EXPECT_EQUAL(machine->map(place_free, frame(0), page, rw | whose), -RUMPK_EINVAL);
        EXPECT_EQUAL(machine->map(place_free, place_free + page, page, rw | whose), -RUMPK_EINVAL);
        // The null page, the kernel, memory that is nobody's window, behind the end of memory.
        EXPECT_EQUAL(map(0, 1, rw | whose), -RUMPK_EINVAL);
        EXPECT_EQUAL(map(page_of(machine->boot->kernel_text_base), 1, r | whose), -RUMPK_EINVAL);
        EXPECT_EQUAL(map(page_of(reinterpret_cast<uint64_t>(&hooks)), 1, rw | whose), -RUMPK_EINVAL);
        EXPECT_EQUAL(map(frame(0), 1, rw | whose), -RUMPK_EINVAL);
        EXPECT_EQUAL(map(RUMPK_WINDOW_A - page, 2, rw | whose), -RUMPK_EINVAL);
        EXPECT_EQUAL(map(RUMPK_WINDOW_A + RUMPK_WINDOW_COUNT * RUMPK_WINDOW_SIZE, 1, rw | whose),
                     -RUMPK_EINVAL);
    }
}

void map_does_not_replace() {
    EXPECT_EQUAL(map(place_large, 4, rw | user), 0);
    EXPECT_EQUAL(map(place_large, 1, r | user), -RUMPK_EEXIST);
    EXPECT_EQUAL(map(place_large - page, 2, rw | user), -RUMPK_EEXIST);
    EXPECT_EQUAL(map(place_large + 3 * page, 2, rw | user), -RUMPK_EEXIST);
    EXPECT_EQUAL(map(place_large - page, 6, rw | user), -RUMPK_EEXIST);
    EXPECT_EQUAL(machine->unmap(place_large, 5 * page), -RUMPK_ENOENT);
    EXPECT_EQUAL(machine->protect(place_large - page, 2 * page, r | user), -RUMPK_ENOENT);
    EXPECT_EQUAL(machine->protect(place_large, page, rx | HAL_MAP_WRITE | user), -RUMPK_EINVAL);
    EXPECT_EQUAL(machine->protect(place_large + 8, page, r | user), -RUMPK_EINVAL);
    EXPECT_EQUAL(machine->unmap(place_large + 8, page), -RUMPK_EINVAL);
    EXPECT_EQUAL(machine->unmap(place_large + page, page), 0); // a hole
    EXPECT_EQUAL(machine->unmap(place_large, 4 * page), -RUMPK_ENOENT);
    EXPECT_EQUAL(machine->protect(place_large, 4 * page, r | user), -RUMPK_ENOENT);
    EXPECT_EQUAL(map(place_large + page, 1, rw | user), 0);
    EXPECT_EQUAL(machine->unmap(place_large, 4 * page), 0);
}

// Of 16 regions one is the guard's. A page takes one, three pages one for each end. What cannot be has
// changed nothing.
void regions_run_out() {
    uint64_t pages = 0;
    while (pages < 100 && map(place_large + 2 * pages * page, 1, rw | user) == 0) {
        pages++;
    }
    EXPECT_EQUAL(pages, 15);
    EXPECT_EQUAL(map(place_large + 2 * pages * page, 1, rw | user), -RUMPK_ENOMEM);
    EXPECT_EQUAL(map(place_large + page, 1, rw | user), 0); // closes a gap: two instead of two
    EXPECT_EQUAL(machine->protect(place_large + page, page, r | user), -RUMPK_ENOMEM); // three
    EXPECT_EQUAL(machine->unmap(place_large, 3 * page), 0);
    for (uint64_t i = 2; i < pages; i++) {
        EXPECT_EQUAL(machine->unmap(place_large + 2 * i * page, page), 0);
    }
    EXPECT_EQUAL(machine->unmap(place_large, page), -RUMPK_ENOENT);
}

// For user.cpp.
void map_makes_the_gate() {
    EXPECT_EQUAL(map(place_user_code, 1, rx | user), 0);
    EXPECT_EQUAL(map(place_user_data, 1, rw | user), 0);
    for (uint64_t number = 0; number < RUMPK_CALL_COUNT; number++) {
        gate_calls[number] = gate_function(number);
    }
    EXPECT_EQUAL(machine->user->make_gate(gate_calls), 0);
    for (const uint64_t call : gate_calls) {
        EXPECT_EQUAL(page_of(call), machine->boot->systable_address + page);
    }
    EXPECT_EQUAL(map(machine->boot->systable_address + page, 1, rw | user), -RUMPK_EINVAL);
    EXPECT_EQUAL(map(machine->boot->systable_address, 1, r), 0);
}

void code_runs_once_it_is_written() {
    auto* to = reinterpret_cast<volatile uint8_t*>(place_code);
    for (uint64_t i = 0; i < rumpk_probe_code_size; i++) {
        to[i] = rumpk_probe_code[i];
    }
    machine->code_written(place_code, rumpk_probe_code_size);
    EXPECT_EQUAL(reinterpret_cast<uint64_t (*)()>(place_code)(), 42);
}

} // namespace

const Test tests_of_maps[] = {
    {"map refuses", map_refuses},
    {"map does not replace", map_does_not_replace},
    {"regions run out", regions_run_out},
    {"map makes the gate", map_makes_the_gate},
    {nullptr, nullptr},
};

// The kernel is bound by none.
const Test tests_of_rights[] = {
    {"code runs once it is written", code_runs_once_it_is_written},
    {nullptr, nullptr},
};

} // namespace contract
