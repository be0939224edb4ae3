// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/simulation/kernel.h"

#include <link.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "abi/image.h"
#include "core/boot_table.h"
#include "tests/unit/core/elf_image.h"

namespace rumpk::simulated {
namespace {

struct Kept {
    std::byte* at = nullptr;
    std::vector<std::byte> bytes;
};

// Writable and not made read-only after relocation: the kernel's variables.
std::vector<Kept> find_variables() {
    std::vector<Kept> found;
    dl_iterate_phdr(
        [](dl_phdr_info* library, size_t, void* result) {
            if (std::string_view(library->dlpi_name).find("simulated_kernel") == std::string_view::npos) {
                return 0;
            }
            uintptr_t fixed = 0; // end of what is read-only by now
            for (int i = 0; i < library->dlpi_phnum; ++i) {
                const auto& segment = library->dlpi_phdr[i];
                if (segment.p_type == PT_GNU_RELRO) {
                    fixed = (segment.p_vaddr + segment.p_memsz + 4095) / 4096 * 4096;
                }
            }
            for (int i = 0; i < library->dlpi_phnum; ++i) {
                const auto& segment = library->dlpi_phdr[i];
                const uintptr_t start = std::max<uintptr_t>(segment.p_vaddr, fixed);
                const uintptr_t end = segment.p_vaddr + segment.p_memsz;
                if (segment.p_type == PT_LOAD && (segment.p_flags & PF_W) != 0 && start < end) {
                    static_cast<std::vector<Kept>*>(result)->push_back(
                        {reinterpret_cast<std::byte*>(library->dlpi_addr + start),
                         std::vector<std::byte>(end - start)});
                }
            }
            return 1;
        },
        &found);
    return found;
}

// Between variables lies what the sanitizer forbids to touch: word by word, unseen by it.
[[gnu::noinline, clang::no_sanitize("address", "undefined")]] void
copy_words(std::byte* to, const std::byte* from, size_t size) {
    for (size_t at = 0; at + 8 <= size; at += 8) {
        *reinterpret_cast<uint64_t*>(to + at) = *reinterpret_cast<const uint64_t*>(from + at);
        asm volatile("" ::: "memory"); // or the compiler makes a call of memcpy of it, which is seen
    }
}

using Body = void (*)(uint64_t);
constexpr uint64_t text = RUMPK_WINDOW_A;
constexpr uint64_t entry = text + 0x40; // before it a place where nothing says what type a function has
constexpr uint64_t vector = text + 0x1000;
constexpr size_t entry_size = 128;

// The only code in the window: goes on in the test's own. Copied there byte by byte, so it names nothing
// by distance.
[[gnu::noinline, clang::no_sanitize("address", "undefined", "coverage")]] void enter(uint64_t argument) {
    (*reinterpret_cast<Body*>(vector))(argument);
}

} // namespace

Variables kernel_variables;

void set_kernel_back() {
    static std::vector<Kept> variables = [] {
        std::vector<Kept> found = find_variables();
        if (found.empty()) {
            std::abort();
        }
        for (Kept& one : found) {
            copy_words(one.bytes.data(), one.at, one.bytes.size());
            kernel_variables = {reinterpret_cast<uintptr_t>(one.at), one.bytes.size()};
        }
        return found;
    }();
    for (const Kept& one : variables) {
        copy_words(one.at, one.bytes.data(), one.bytes.size());
    }
}

uint64_t entry_address() {
    return entry;
}

std::span<const std::byte> make_image(const CellPlan& plan, Body body) {
    constexpr size_t table_size = 4096;
    core_test::ElfImage elf(2, 0x2008);
    elf.load(0, 5, 0x1000, text, entry - text + entry_size, entry - text + entry_size);
    elf.load(1, 6, 0x2000, vector, sizeof(Body), sizeof(Body));
    elf.set<uint64_t>(24, entry).set<Body>(0x2000, body);
    static std::vector<std::byte> memory;
    memory.assign(3 * table_size + elf.bytes().size(), std::byte{0});
    std::byte* const base =
        memory.data() + (table_size - reinterpret_cast<uintptr_t>(memory.data()) % table_size);
    std::byte* const file = base + table_size;
    std::ranges::copy(elf.bytes(), file);
    copy_words(file + 0x1000 + (entry - text), reinterpret_cast<const std::byte*>(&enter), entry_size);
    auto& table = *reinterpret_cast<rumpk_boot_table*>(base);
    auto& cell = *reinterpret_cast<rumpk_boot_cell*>(base + sizeof(rumpk_boot_table));
    table = {.magic = RUMPK_BOOT_TABLE_MAGIC,
             .version = RUMPK_BOOT_TABLE_VERSION,
             .size = table_size + elf.bytes().size(),
             .checksum = 0,
             .flags = RUMPK_IMAGE_FUSED,
             .cells = 1,
             .console = 0,
             .channels_offset = 0,
             .channels = 0,
             .devices_offset = 0,
             .devices = 0,
             .shares_offset = 0,
             .shares = 0,
             .reserved = {}};
    std::memcpy(cell.name, "simulated", 10);
    cell.elf_offset = table_size;
    cell.elf_size = elf.bytes().size();
    cell.memory = 256 << 10;
    cell.map_memory = map_pages * 4096;
    cell.home_tier = plan.home_tier;
    cell.tier_ceiling = plan.tier_ceiling;
    cell.cores = 64;
    cell.fibers = plan.fibers;
    cell.main_stack = 8192;
    cell.fiber_stack = plan.fiber_stack;
    if (plan.restarts) {
        cell.supervisor = {RUMPK_RESTART_ALWAYS, 0, RUMPK_RESTARTS_MAX, 1, 0, 0, 0};
    }
    const std::span<std::byte> all(base, table.size);
    table.checksum = crc32(all.subspan(sizeof(rumpk_boot_table)));
    return all;
}

} // namespace rumpk::simulated
