// SPDX-License-Identifier: Apache-2.0
// Views: each shows its own window's pages, and what was shown in it besides.
#include "tests/contract/places.h"

namespace contract {
namespace {

constexpr uint32_t for_code = HAL_MAP_READ | HAL_MAP_EXEC | HAL_MAP_USER;
constexpr uint32_t for_data = HAL_MAP_READ | HAL_MAP_WRITE | HAL_MAP_USER;
constexpr uint64_t code_offset = 0x70000;
constexpr uint64_t data_offset = 0x80000;
constexpr uint64_t other_offset = 0x90000;

constexpr uint64_t window(uint32_t index) {
    return RUMPK_WINDOW_A + index * RUMPK_WINDOW_SIZE;
}

// Of the windows that no other test uses.
constexpr uint32_t one_window = 4, other_window = 5, untagged_window = 6;
Program one, other, untagged;
constexpr Program of_all{place_user_code, place_user_data, 0};

Program make(uint32_t index, uint32_t tagged) {
    Program made{window(index) + code_offset, window(index) + data_offset, 0};
    EXPECT_EQUAL(machine->views->make(index, tagged, &made.view), 0);
    EXPECT_EQUAL(machine->map(made.code, frame_at(made.code, frame_user_code), page, for_code), 0);
    EXPECT_EQUAL(machine->map(made.data, frame_at(made.data, frame_user_data), page, for_data), 0);
    return made;
}

void a_view_shows_its_window() {
    one = make(one_window, 1);
    other = make(other_window, 1);
    EXPECT(program_reads(one, one.code));
    EXPECT(!program_reads(one, other.code));
    EXPECT(!program_reads(one, place_user_data));
    EXPECT(program_reads(other, other.code));
    EXPECT(!program_reads(other, one.data));
    EXPECT(program_reads(of_all, place_user_data));
    EXPECT(!program_reads(of_all, one.code));
    EXPECT(!program_reads(of_all, other.code));
}

void a_change_in_a_window_is_its_views() {
    const uint64_t place = window(one_window) + other_offset;
    const uint64_t physical = frame_at(place, frame_user_other);
    EXPECT(!program_reads(one, place));
    EXPECT_EQUAL(machine->map(place, physical, page, for_data), 0);
    EXPECT_EQUAL(machine->map(place, physical, page, for_data), -RUMPK_EEXIST);
    EXPECT(program_reads(one, place));
    EXPECT(!program_reads(other, place));
    if (!flat) { // where what is the kernel's alone is in no book
        EXPECT_EQUAL(machine->protect(place, page, HAL_MAP_READ), 0);
        EXPECT(!program_reads(one, place));
        EXPECT_EQUAL(machine->protect(place, page, for_data), 0);
        EXPECT(program_reads(one, place));
    }
    EXPECT_EQUAL(machine->unmap(place, page), 0);
    EXPECT(!program_reads(one, place));
    EXPECT_EQUAL(machine->unmap(place, page), -RUMPK_ENOENT);
}

void what_is_shown_is_in_both() {
    const uint64_t place = window(one_window) + other_offset;
    const uint64_t physical = frame_at(place, frame_user_other);
    EXPECT_EQUAL(machine->map(place, physical, page, for_data), 0);
    EXPECT(!program_reads(other, place));
    EXPECT_EQUAL(machine->views->show(other_window, place, physical, page, for_data), 0);
    EXPECT_EQUAL(machine->views->show(other_window, place + 1, physical, page, for_data), -RUMPK_EINVAL);
    EXPECT(program_reads(other, place));
    EXPECT(program_reads(one, place));
    EXPECT(!program_reads(of_all, place));
}

void what_is_hidden_is_in_one_only() {
    const uint64_t place = window(one_window) + other_offset;
    EXPECT_EQUAL(machine->views->hide(other_window, place + 1, page), -RUMPK_EINVAL);
    EXPECT_EQUAL(machine->views->hide(other_window, place, 0), -RUMPK_EINVAL);
    EXPECT_EQUAL(machine->views->hide(other_window, place, page), page);
    EXPECT(!program_reads(other, place));
    EXPECT(program_reads(one, place));
    EXPECT_EQUAL(machine->views->hide(other_window, place, page), page); // once more: it is not there
    EXPECT_EQUAL(machine->views->hide(one_window, place, page), page);
    EXPECT(!program_reads(one, place));
    EXPECT_EQUAL(machine->unmap(place, page), -RUMPK_ENOENT);
}

void a_change_of_view_forgets_only_where_it_must() {
    const uint64_t before = machine->views->flushes();
    for (int i = 0; i < 10; i++) {
        EXPECT(program_reads(one, one.data));
        EXPECT(program_reads(other, other.data));
    }
    EXPECT_EQUAL(machine->views->flushes(), before);
    untagged = make(untagged_window, 0);
    const uint64_t then = machine->views->flushes();
    for (int i = 0; i < 10; i++) {
        EXPECT(!program_reads(untagged, one.data));
        EXPECT(program_reads(untagged, untagged.data));
        EXPECT(program_reads(one, one.data));
        EXPECT(!program_reads(one, untagged.data));
    }
    // Once for each time that it was entered from another; where nothing is translated, nothing is kept.
    const uint64_t forgot = machine->views->flushes() - then;
    EXPECT_EQUAL(forgot, flat ? 0 : 10);
    EXPECT(program_reads(of_all, place_user_data)); // the tests that follow are at home there
}

// What its registers say (Virtio 1.2, 4.2.2), as who maps them reads them.
void what_stands_behind_a_transport_is_told() {
    constexpr uint64_t somewhere = 0x2000000000;
    const struct hal_boot& boot = *machine->boot;
    for (uint32_t i = 0; i < boot.virtio_count; i++) {
        const uint64_t registers = boot.virtio[i].registers;
        const uint64_t offset = registers % page;
        EXPECT(flat || machine->map(somewhere, registers - offset, page, HAL_MAP_READ) == 0);
        const auto* const read = reinterpret_cast<volatile uint32_t*>(flat ? registers : somewhere + offset);
        uint32_t version = 0;
        EXPECT_EQUAL(machine->views->virtio_device(i, &version), read[2]);
        EXPECT_EQUAL(version, read[1]);
        EXPECT(version == 1 || version == 2);
        EXPECT(flat || machine->unmap(somewhere, page) == 0);
    }
}

void other_devices_are_told() {
    struct hal_device device{};
    EXPECT_EQUAL(machine->views->device(0, &device), 0);
    EXPECT(device.compatible != nullptr && device.compatible[0] != 0);
    EXPECT_EQUAL(device.line, machine->boot->console_line);
    EXPECT(device.registers != 0 && device.size >= 8);
    for (uint32_t i = 0; i < machine->boot->virtio_count; i++) {
        EXPECT(machine->boot->virtio[i].registers != device.registers);
    }
    EXPECT_EQUAL(machine->views->device(1, &device), -RUMPK_ENOENT);
}

} // namespace

const Test tests_of_views[] = {
    {"a view shows its window", a_view_shows_its_window},
    {"a change in a window is its view's", a_change_in_a_window_is_its_views},
    {"what is shown is in both views", what_is_shown_is_in_both},
    {"what is hidden is hidden in one view", what_is_hidden_is_in_one_only},
    {"a change of view forgets only where it must", a_change_of_view_forgets_only_where_it_must},
    {"what stands behind a transport is told", what_stands_behind_a_transport_is_told},
    {"other devices are told", other_devices_are_told},
    {nullptr, nullptr},
};

} // namespace contract
