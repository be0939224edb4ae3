// SPDX-License-Identifier: Apache-2.0
// Rights where an MMU holds them, seen from the code that breaks them; protect and unmap.
#include "tests/contract/accesses.h"
#include "tests/contract/places.h"
#include "tests/contract/probe.h"

namespace contract {
namespace {

BARE uint64_t result_at(uint64_t address) {
    return reinterpret_cast<uint64_t (*)()>(address)();
}

void what_is_allowed_does_not_fault() {
    EXPECT(!faults(read_at, at(place_data)));
    EXPECT(!faults(write_at, at(place_data)));
    EXPECT(!faults(read_at, at(place_read)));
}

void nothing_faults() {
    expect_bad_access(read_at, place_free);
    expect_bad_access(write_at, place_free);
    expect_bad_call(place_free);
}

void writing_what_is_read_only_faults() {
    *frame_touch(frame_data) = 5;
    expect_bad_access(write_at, place_read);
    expect_bad_access(write_at, machine->boot->systable_address);
    EXPECT_EQUAL(*frame_touch(frame_data), 5);
}

void data_does_not_run() {
    expect_bad_call(place_data);
    expect_bad_call(place_read);
    expect_bad_call(page_of(frame(frame_data) + machine->boot->direct_map));
    expect_bad_call(reinterpret_cast<uint64_t>(stack(1).base));
}

void the_kernels_text_is_not_written() {
    expect_bad_access(write_at, page_of(reinterpret_cast<uint64_t>(&nothing_faults)));
}

void constants_are_not_written() {
    expect_bad_access(write_at, reinterpret_cast<uint64_t>(&tests_of_rights[0]));
}

void code_runs_once_it_is_written() {
    auto* to = reinterpret_cast<volatile uint8_t*>(place_code_data);
    for (uint64_t i = 0; i < rumpk_probe_code_size; i++) {
        to[i] = rumpk_probe_code[i];
    }
    machine->code_written(place_code, rumpk_probe_code_size);
    EXPECT_EQUAL(result_at(place_code), 42);
    expect_bad_access(write_at, place_code);
}

void protect_refuses() {
    constexpr uint32_t rw = HAL_MAP_READ | HAL_MAP_WRITE;
    EXPECT_EQUAL(machine->protect(place_data, page, rw | HAL_MAP_EXEC), -RUMPK_EINVAL);
    EXPECT_EQUAL(machine->protect(place_data + 8, page, rw), -RUMPK_EINVAL);
    EXPECT_EQUAL(machine->protect(place_data, 8, rw), -RUMPK_EINVAL);
    EXPECT_EQUAL(machine->protect(place_data, 0, rw), -RUMPK_EINVAL);
    EXPECT_EQUAL(machine->protect(place_data, ~0ull & ~(page - 1), rw), -RUMPK_EINVAL); // it wraps
    EXPECT(machine->protect(0, page, rw) < 0);
    EXPECT_EQUAL(machine->protect(place_free, page, rw), -RUMPK_ENOENT);
    EXPECT_EQUAL(machine->protect(place_data, 3 * page, HAL_MAP_READ), -RUMPK_ENOENT);
    EXPECT(!faults(write_at, at(place_data))); // nothing of it was done
    EXPECT_EQUAL(machine->unmap(place_data + 8, page), -RUMPK_EINVAL);
    EXPECT_EQUAL(machine->unmap(place_data, 0), -RUMPK_EINVAL);
    EXPECT_EQUAL(machine->unmap(place_data, ~0ull & ~(page - 1)), -RUMPK_EINVAL);
    EXPECT(machine->unmap(frame(0) + machine->boot->direct_map, page) < 0);
    EXPECT_EQUAL(machine->unmap(place_free, page), -RUMPK_ENOENT);
    EXPECT_EQUAL(machine->unmap(place_data, 3 * page), -RUMPK_ENOENT);
    EXPECT(!faults(write_at, at(place_data)));
}

void protect_takes_effect() {
    EXPECT(!faults(write_at, at(place_data))); // it stands in the TLB as writable
    EXPECT_EQUAL(machine->protect(place_data, page, HAL_MAP_READ), 0);
    expect_bad_access(write_at, place_data);
    EXPECT(!faults(write_at, at(place_data + page)));
    EXPECT_EQUAL(machine->protect(place_data, 2 * page, HAL_MAP_READ | HAL_MAP_WRITE), 0);
    EXPECT(!faults(write_at, at(place_data)));
    // Loading an application: written first, made to run after.
    auto* to = reinterpret_cast<volatile uint8_t*>(place_data);
    for (uint64_t i = 0; i < rumpk_probe_code_size; i++) {
        to[i] = rumpk_probe_code[i];
    }
    EXPECT_EQUAL(machine->protect(place_data, page, HAL_MAP_READ | HAL_MAP_EXEC), 0);
    machine->code_written(place_data, page);
    EXPECT_EQUAL(result_at(place_data), 42);
    expect_bad_access(write_at, place_data);
    EXPECT_EQUAL(machine->protect(place_data, page, HAL_MAP_READ | HAL_MAP_WRITE), 0);
    expect_bad_call(place_data);
}

void unmap_takes_effect() {
    EXPECT(!faults(write_at, at(place_gone)));
    EXPECT_EQUAL(machine->unmap(place_gone, page), 0);
    expect_bad_access(read_at, place_gone);
    EXPECT_EQUAL(machine->unmap(place_gone, page), -RUMPK_ENOENT);
    EXPECT_EQUAL(machine->protect(place_gone, page, HAL_MAP_READ), -RUMPK_ENOENT);
    EXPECT(!faults(read_at, at(place_data))); // the frame is where else it was
}

} // namespace

const Test tests_of_rights[] = {
    {"what is allowed does not fault", what_is_allowed_does_not_fault},
    {"nothing faults", nothing_faults},
    {"writing what is read-only faults", writing_what_is_read_only_faults},
    {"data does not run", data_does_not_run},
    {"the kernel's text is not written", the_kernels_text_is_not_written},
    {"constants are not written", constants_are_not_written},
    {"code runs once it is written", code_runs_once_it_is_written},
    {"protect and unmap refuse", protect_refuses},
    {"protect takes effect", protect_takes_effect},
    {"unmap takes effect", unmap_takes_effect},
    {nullptr, nullptr},
};

} // namespace contract
