// SPDX-License-Identifier: Apache-2.0
// The table itself, and the facts of boot.
#include "tests/contract/contract.h"

namespace contract {
namespace {

void table_is_whole() {
    EXPECT_EQUAL(machine->size, sizeof(struct hal));
    EXPECT_EQUAL(machine->reserved, 0);
    EXPECT(machine->boot != nullptr);
    EXPECT(machine->user == nullptr ||
           (machine->user->make_gate != nullptr && machine->user->enter != nullptr));
    const auto* slot = reinterpret_cast<const uint64_t*>(machine) + offsetof(struct hal, start) / 8;
    const auto* end = reinterpret_cast<const uint64_t*>(machine + 1);
    for (; slot < end; slot++) {
        EXPECT(*slot != 0);
    }
}

bool is_name(const char* text) {
    return text != nullptr && text[0] >= 'a' && text[0] <= 'z';
}

void boot_names_the_machine() {
    const struct hal_boot& boot = *machine->boot;
    EXPECT(is_name(boot.machine));
    EXPECT(is_name(boot.arch));
    EXPECT(boot.elf_machine != 0);
    EXPECT(boot.arguments != nullptr);
    EXPECT(boot.cores >= 1 && boot.cores <= HAL_MAX_CORES);
    EXPECT(boot.boot_core < boot.cores);
    EXPECT_EQUAL(machine->core_index(), boot.boot_core);
    constexpr uint64_t protection = RUMPK_FEATURE_MMU | RUMPK_FEATURE_PMP;
    EXPECT((boot.features & protection) != 0 && (boot.features & protection) != protection);
    EXPECT(boot.image != nullptr || boot.image_size == 0);
    EXPECT(boot.seed != nullptr || boot.seed_size == 0);
    EXPECT(boot.console_channels <= 1);
    // Frames are found below or above the frame pointer, in two different words.
    EXPECT(boot.frame_previous % 8 == 0 && boot.frame_return % 8 == 0 &&
           boot.frame_previous != boot.frame_return);
    EXPECT(boot.table_span >= HAL_PAGE_SIZE && (boot.table_span & (boot.table_span - 1)) == 0);
    EXPECT(boot.interrupt_stack_size > 0 && boot.interrupt_stack_size <= stack_size / 4);
}

bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size) {
    return a < b + b_size && b < a + a_size;
}

void boot_memory_is_free_and_ours() {
    const struct hal_boot& boot = *machine->boot;
    EXPECT(boot.memory_base % HAL_PAGE_SIZE == 0 && boot.memory_size % HAL_PAGE_SIZE == 0);
    EXPECT(boot.memory_size >= 16u << 20);
    EXPECT(boot.memory_size <= boot.memory_total);
    EXPECT(boot.systable_physical % HAL_PAGE_SIZE == 0 && boot.systable_address % HAL_PAGE_SIZE == 0);
    EXPECT_EQUAL(boot.systable_address, RUMPK_SYSTABLE_ADDRESS);
    EXPECT(!overlap(boot.memory_base, boot.memory_size, boot.systable_physical, HAL_PAGE_SIZE));
    // Nothing that is in use shows in the free block.
    uint64_t base = boot.memory_base + boot.direct_map;
    EXPECT(!overlap(base, boot.memory_size, reinterpret_cast<uint64_t>(&machine), sizeof(machine)));
    EXPECT(!overlap(base, boot.memory_size, boot.kernel_text_base,
                    boot.kernel_text_end - boot.kernel_text_base));
    EXPECT(!overlap(base, boot.memory_size, reinterpret_cast<uint64_t>(machine), sizeof(*machine)));
    EXPECT(!overlap(base, boot.memory_size, reinterpret_cast<uint64_t>(boot.image), boot.image_size));
    EXPECT(!overlap(base, boot.memory_size, reinterpret_cast<uint64_t>(boot.arguments), 1));
    EXPECT(!overlap(base, boot.memory_size, reinterpret_cast<uint64_t>(boot.seed), boot.seed_size));
    // Every 64 KiB of it, and its ends, hold what is written.
    constexpr uint64_t step = 65536;
    auto word = [base](uint64_t offset) { return reinterpret_cast<volatile uint64_t*>(base + offset); };
    for (uint64_t offset = 0; offset < boot.memory_size; offset += step) {
        *word(offset) = offset ^ 0x5a5a5a5a5a5a5a5a;
    }
    *word(boot.memory_size - 8) = 42;
    uint64_t wrong = 0;
    for (uint64_t offset = 0; offset < boot.memory_size; offset += step) {
        wrong += *word(offset) == (offset ^ 0x5a5a5a5a5a5a5a5a) ? 0 : 1;
    }
    EXPECT_EQUAL(wrong, 0);
    EXPECT_EQUAL(*word(boot.memory_size - 8), 42);
}

void boot_systable_page_is_zeroed() {
    const auto* page =
        reinterpret_cast<const uint64_t*>(machine->boot->systable_physical + machine->boot->direct_map);
    uint64_t all = 0;
    for (uint64_t i = 0; i < HAL_PAGE_SIZE / 8; i++) {
        all |= page[i];
    }
    EXPECT_EQUAL(all, 0);
}

// Each can be mapped and shows the transport's magic, whether a device is behind it or not
// (Virtio 1.2, 4.2.2); no two share registers, none lies in memory.
void boot_lists_virtio_transports() {
    constexpr bool flat =
        RUMPK_WINDOWS_ARE_MEMORY != 0; // registers show where they are, and nothing is kept of it
    constexpr uint32_t magic = 0x74726976;
    const struct hal_boot& boot = *machine->boot;
    EXPECT(*boot.timer != '\0');
    for (uint32_t i = 0; i < boot.virtio_count; i++) {
        const struct hal_virtio& one = boot.virtio[i];
        EXPECT(one.size >= 0x100 && one.line != 0 && one.line != boot.console_line);
        EXPECT(!overlap(one.registers, one.size, boot.memory_base, boot.memory_size));
        for (uint32_t other = 0; other < i; other++) {
            EXPECT(!overlap(one.registers, one.size, boot.virtio[other].registers, boot.virtio[other].size));
            EXPECT(one.line != boot.virtio[other].line);
        }
        uint64_t first = one.registers & ~uint64_t{HAL_PAGE_SIZE - 1};
        const uint64_t somewhere = flat ? first : 0x2000000000;
        EXPECT_EQUAL(machine->map(somewhere, first, HAL_PAGE_SIZE, HAL_MAP_READ | HAL_MAP_WRITE), 0);
        EXPECT_EQUAL(*reinterpret_cast<volatile uint32_t*>(somewhere + one.registers % HAL_PAGE_SIZE), magic);
        EXPECT_EQUAL(machine->unmap(somewhere, HAL_PAGE_SIZE), flat ? -RUMPK_ENOENT : 0);
    }
}

void boot_knows_the_kernel_text() {
    const struct hal_boot& boot = *machine->boot;
    EXPECT(boot.kernel_text_base < boot.kernel_text_end);
    auto here = reinterpret_cast<uint64_t>(&boot_knows_the_kernel_text);
    EXPECT(here >= boot.kernel_text_base && here < boot.kernel_text_end);
    auto slot = reinterpret_cast<uint64_t>(machine->now);
    EXPECT(slot >= boot.kernel_text_base && slot < boot.kernel_text_end);
    auto data = reinterpret_cast<uint64_t>(&machine);
    EXPECT(data < boot.kernel_text_base || data >= boot.kernel_text_end);
}

// A frame pointer and two facts are enough to find the caller.
[[clang::noinline]] uint64_t own_return_address() {
    auto frame = reinterpret_cast<uint64_t>(__builtin_frame_address(0));
    auto at = static_cast<uint64_t>(static_cast<int64_t>(frame) + machine->boot->frame_return);
    return *reinterpret_cast<const uint64_t*>(at);
}
[[clang::noinline]] uint64_t own_previous_frame() {
    auto frame = reinterpret_cast<uint64_t>(__builtin_frame_address(0));
    auto at = static_cast<uint64_t>(static_cast<int64_t>(frame) + machine->boot->frame_previous);
    return *reinterpret_cast<const uint64_t*>(at);
}

void boot_tells_how_frames_are_linked() {
    uint64_t caller = own_return_address();
    auto here = reinterpret_cast<uint64_t>(&boot_tells_how_frames_are_linked);
    EXPECT(caller > here && caller < here + 4096);
    EXPECT_EQUAL(own_previous_frame(), reinterpret_cast<uint64_t>(__builtin_frame_address(0)));
}

void boot_begins_masked() {
    EXPECT_EQUAL(machine->interrupts_mask(), 0);
}

void core_local_is_null_until_set() {
    EXPECT(machine->core_local() == nullptr);
    int mine = 0;
    machine->core_local_set(&mine);
    EXPECT(machine->core_local() == &mine);
    machine->core_local_set(nullptr);
    EXPECT(machine->core_local() == nullptr);
}

void now_never_goes_back() {
    uint64_t last = machine->now();
    uint64_t moved = 0;
    for (int i = 0; i < 20000; i++) {
        uint64_t next = machine->now();
        EXPECT(next >= last);
        moved += next > last ? 1 : 0;
        last = next;
    }
    EXPECT(moved > 0);
    EXPECT(last < 3600ull * 1000 * millisecond); // it counts from reset
    int64_t wall = machine->boot->wall_offset;
    // 2024-01-01 to 2100-01-01. Each of the machines has a clock chip.
    EXPECT(wall > 1'704'067'200'000'000'000 && wall < 4'102'444'800'000'000'000);
}

} // namespace

const Test tests_of_table[] = {
    {"table is whole", table_is_whole},
    {"boot names the machine", boot_names_the_machine},
    {"boot memory is free and ours", boot_memory_is_free_and_ours},
    {"boot systable page is zeroed", boot_systable_page_is_zeroed},
    {"boot knows the kernel text", boot_knows_the_kernel_text},
    {"boot lists virtio transports", boot_lists_virtio_transports},
    {"boot tells how frames are linked", boot_tells_how_frames_are_linked},
    {"boot begins masked", boot_begins_masked},
    {"core_local is null until set", core_local_is_null_until_set},
    {"now never goes back", now_never_goes_back},
    {nullptr, nullptr},
};

} // namespace contract
