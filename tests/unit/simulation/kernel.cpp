// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/simulation/kernel.h"

#include <link.h>

#include <algorithm>
#include <array>
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

constexpr uint64_t text = RUMPK_WINDOW_A;
constexpr uint64_t entry = text + 0x40; // before it a place where nothing says what type a function has
constexpr uint64_t vector = text + 0x1000;
constexpr size_t entry_size = 128;

// The only code in a window: goes on in the test's own. Copied there byte by byte, so it names nothing by
// distance.
template <uint64_t window>
[[gnu::noinline, clang::no_sanitize("address", "undefined", "coverage")]] void enter(uint64_t argument) {
    (*reinterpret_cast<Body*>(vector + window * RUMPK_WINDOW_SIZE))(argument);
}
constexpr std::array<Body, 2> entries{&enter<0>, &enter<1>};

constexpr size_t page = 4096;

// The program of the cell in this window, in the file.
std::vector<std::byte> make_program(uint32_t window, Body body) {
    const uint64_t shift = window * RUMPK_WINDOW_SIZE;
    core_test::ElfImage elf(2, 0x2008);
    elf.load(0, 5, 0x1000, text + shift, entry - text + entry_size, entry - text + entry_size);
    elf.load(1, 6, 0x2000, vector + shift, sizeof(Body), sizeof(Body));
    elf.set<uint64_t>(24, entry + shift).set<Body>(0x2000, body);
    std::vector<std::byte> file(elf.bytes().size());
    std::ranges::copy(elf.bytes(), file.begin());
    copy_words(file.data() + 0x1000 + (entry - text), reinterpret_cast<const std::byte*>(entries[window]),
               entry_size);
    return file;
}

void describe(rumpk_boot_cell& cell, uint32_t window, const CellPlan& plan) {
    std::memcpy(cell.name, window == 0 ? "simulated" : "beside", window == 0 ? 10 : 7);
    cell.window = window;
    cell.memory = window == 0 ? 256 << 10 : 32 << 10;
    cell.map_memory = window == 0 ? map_pages * page : 0;
    cell.home_tier = plan.home_tier;
    cell.tier_ceiling = plan.tier_ceiling;
    cell.cores = plan.cores;
    cell.fibers = plan.fibers;
    cell.main_stack = 8192;
    cell.fiber_stack = plan.fiber_stack;
    if (plan.restarts) {
        cell.supervisor = {RUMPK_RESTART_ALWAYS, 0, RUMPK_RESTARTS_MAX, 1, 0, 0, 0};
    }
    cell.supervisor.manager = window == 0 ? 0 : 1;
    cell.budgets = static_cast<uint32_t>(plan.budgets.size());
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

std::span<const std::byte> make_image(std::span<const CellPlan> plans) {
    std::vector<std::vector<std::byte>> programs;
    size_t size = page; // of the table
    for (uint32_t window = 0; window < plans.size(); ++window) {
        programs.push_back(make_program(window, plans[window].body));
        size += (programs.back().size() + page - 1) / page * page;
    }
    static std::vector<std::byte> memory;
    memory.assign(page + size, std::byte{0});
    std::byte* const base = memory.data() + (page - reinterpret_cast<uintptr_t>(memory.data()) % page);
    auto& table = *reinterpret_cast<rumpk_boot_table*>(base);
    table = {.magic = RUMPK_BOOT_TABLE_MAGIC,
             .version = RUMPK_BOOT_TABLE_VERSION,
             .size = size,
             .checksum = 0,
             .flags = plans.size() == 1 ? RUMPK_IMAGE_FUSED : 0U,
             .cells = static_cast<uint32_t>(plans.size()),
             .console = 0,
             .channels_offset = 0,
             .channels = 0,
             .devices_offset = 0,
             .devices = 0,
             .shares_offset = 0,
             .shares = 0,
             .reserved = {}};
    auto* const cells = reinterpret_cast<rumpk_boot_cell*>(base + sizeof(rumpk_boot_table));
    auto* budget = reinterpret_cast<rumpk_meta_budget*>(cells + plans.size());
    uint64_t offset = page;
    for (uint32_t window = 0; window < plans.size(); ++window) {
        describe(cells[window], window, plans[window]);
        cells[window].budgets_offset = static_cast<uint32_t>(reinterpret_cast<std::byte*>(budget) - base);
        budget = std::ranges::copy(plans[window].budgets, budget).out;
        cells[window].elf_offset = offset;
        cells[window].elf_size = programs[window].size();
        copy_words(base + offset, programs[window].data(), programs[window].size());
        offset += (programs[window].size() + page - 1) / page * page;
    }
    const std::span<std::byte> all(base, table.size);
    table.checksum = crc32(all.subspan(sizeof(rumpk_boot_table)));
    return all;
}

} // namespace rumpk::simulated
