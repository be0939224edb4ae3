// SPDX-License-Identifier: Apache-2.0
//
// A small good boot table, page aligned, for the reader's tests to spoil, and
// what must hold of whatever the reader accepts.
#pragma once

#include <cstring>
#include <memory>
#include <new>
#include <span>

#include "core/boot_table.h"

namespace core_test {

inline constexpr size_t page = 4096;

// Bytes that begin a page and end exactly where they say, so that the sanitizer
// sees a look beyond them.
class PageAligned {
  public:
    explicit PageAligned(size_t size)
        : bytes_(static_cast<std::byte*>(::operator new(size != 0 ? size : 1, std::align_val_t{page}))),
          size_(size) {
        std::memset(bytes_, 0, size);
    }
    explicit PageAligned(std::span<const std::byte> from) : PageAligned(from.size()) {
        std::memcpy(bytes_, from.data(), from.size());
    }
    PageAligned(const PageAligned&) = delete;
    PageAligned& operator=(const PageAligned&) = delete;
    ~PageAligned() { ::operator delete(bytes_, std::align_val_t{page}); }
    std::span<std::byte> bytes() const { return {bytes_, size_}; }

  private:
    std::byte* bytes_;
    size_t size_;
};

// Cells of one page of "program" each, in windows 0, 1, ...
class TableImage {
  public:
    explicit TableImage(uint32_t cells = 1) : memory_((1 + cells) * page) {
        table().magic = RUMPK_BOOT_TABLE_MAGIC;
        table().version = RUMPK_BOOT_TABLE_VERSION;
        table().size = memory_.bytes().size();
        table().flags = cells == 1 ? RUMPK_IMAGE_FUSED : 0;
        table().cells = cells;
        for (uint32_t i = 0; i < cells; ++i) {
            std::memcpy(cell(i).name, "hello", 5);
            cell(i).name[5] = static_cast<uint8_t>('0' + i);
            cell(i).elf_offset = (1 + i) * page;
            cell(i).elf_size = page - i;
            cell(i).memory = 8 << 20;
            cell(i).map_memory = 1 << 20;
            cell(i).window = i;
            cell(i).home_tier = RUMPK_TIER_GRAVITY;
            cell(i).tier_ceiling = RUMPK_TIER_MATTER;
            cell(i).cores = 4;
            cell(i).fibers = 64;
            cell(i).main_stack = 64 << 10;
            cell(i).fiber_rings = 8 << 10;
        }
        seal();
    }

    rumpk_boot_table& table() { return *reinterpret_cast<rumpk_boot_table*>(bytes().data()); }
    rumpk_boot_cell& cell(uint32_t index) {
        return reinterpret_cast<rumpk_boot_cell*>(bytes().data() + sizeof(rumpk_boot_table))[index];
    }
    // Room for budgets behind the cells.
    rumpk_meta_budget& budget(uint32_t index) {
        return reinterpret_cast<rumpk_meta_budget*>(&cell(table().cells))[index];
    }
    // Gives a cell so many of those, from `first` on.
    void give_budgets(uint32_t to, uint32_t first, uint32_t count) {
        cell(to).budgets_offset =
            static_cast<uint32_t>(reinterpret_cast<std::byte*>(&budget(first)) - bytes().data());
        cell(to).budgets = count;
        for (uint32_t i = first; i < first + count; ++i) {
            budget(i).size = sizeof(rumpk_meta_budget);
            std::memcpy(budget(i).name, "video", 5);
            budget(i).run_us = 2'000;
            budget(i).window_us = 10'000;
            budget(i).fibers = 1 + i;
        }
    }
    std::span<std::byte> bytes() { return memory_.bytes(); }
    // The checksum is made to agree with what stands there.
    TableImage& seal() {
        table().checksum = rumpk::crc32(bytes().subspan(sizeof(rumpk_boot_table)));
        return *this;
    }

  private:
    PageAligned memory_;
};

inline bool holds_budgets(const rumpk::BootCell& cell, std::span<const std::byte> image) {
    const auto bytes = std::as_bytes(cell.budgets);
    uint64_t fibers = 0;
    bool good = true;
    for (const rumpk_meta_budget& one : cell.budgets) {
        fibers += one.fibers;
        good = good && one.size == 32 && one.fibers >= 1 && one.name[0] != 0 && one.name[15] == 0 &&
               one.run_us >= 1 && one.run_us < one.window_us;
    }
    const bool inside = bytes.empty() || (bytes.data() > image.data() && &bytes.back() <= &image.back());
    return good && inside && fibers <= cell.fibers && cell.budgets.size() <= 16 &&
           cell.first_budget <= cell.budgets.size();
}

inline bool holds_channels(const rumpk::BootTable& table, std::span<const std::byte> image) {
    const auto bytes = std::as_bytes(table.channels());
    bool good = bytes.size() <= size_t{64} * 32;
    for (const rumpk_boot_channel& one : table.channels()) {
        const bool from_kernel = one.from == RUMPK_CHANNEL_KERNEL_CONSOLE && one.slot_size == 48;
        const bool to_kernel =
            (one.to == RUMPK_CHANNEL_KERNEL && one.slot_size == 48) || one.to == RUMPK_CHANNEL_KERNEL_CONSOLE;
        good = good && (one.from < table.cell_count() || (from_kernel && !to_kernel)) &&
               (one.to < table.cell_count() || to_kernel) && one.from != one.to && one.name[0] != 0 &&
               one.name[15] == 0 && one.slots >= 1 && one.slot_size >= 32;
    }
    return good && (bytes.empty() || (bytes.data() > image.data() && &bytes.back() <= &image.back()));
}

inline bool holds_devices(const rumpk::BootTable& table, std::span<const std::byte> image) {
    const auto bytes = std::as_bytes(table.devices());
    bool good = bytes.size() <= size_t{32} * 48;
    for (const rumpk_boot_device& one : table.devices()) {
        good = good && one.cell < table.cell_count() && one.compatible[15] == 0 &&
               (one.virtio != 0) != (one.compatible[0] != 0) && one.memory % page == 0 &&
               one.memory < 512 << 10 && one.name[0] != 0 && one.name[15] == 0;
    }
    return good && (bytes.empty() || (bytes.data() > image.data() && &bytes.back() <= &image.back()));
}

inline bool holds_shares(const rumpk::BootTable& table, std::span<const std::byte> image) {
    const auto bytes = std::as_bytes(table.shares());
    bool good = bytes.size() <= size_t{16} * 32;
    for (const rumpk_boot_share& one : table.shares()) {
        const std::span<const std::byte> seen = table.contents(one);
        good = good && one.cells != 0 && one.cells < 1U << table.cell_count() && one.name[0] != 0 &&
               one.name[15] == 0 && one.size != 0 && seen.size() >= one.size && seen.size() % page == 0 &&
               seen.data() >= image.data() + sizeof(rumpk_boot_table) && &seen.back() <= &image.back();
    }
    return good && (bytes.empty() || (bytes.data() > image.data() && &bytes.back() <= &image.back()));
}

// All that the boot relies on.
inline bool holds_what_it_promises(const rumpk::BootTable& table, std::span<const std::byte> image) {
    using namespace rumpk;
    uint64_t windows = 0;
    for (uint32_t i = 0; i < table.cell_count(); ++i) {
        const BootCell cell = table.cell(i);
        const bool inside = cell.elf.data() >= image.data() + sizeof(rumpk_boot_table) && !cell.elf.empty() &&
                            cell.elf.data() + cell.elf.size() <= image.data() + table.size();
        const bool memory = cell.memory % page == 0 && cell.memory > 0 && cell.memory <= RUMPK_WINDOW_MAP &&
                            cell.map_memory % page == 0 &&
                            RUMPK_WINDOW_MAP + cell.map_memory <= RUMPK_WINDOW_STACKS;
        const bool fibers = cell.fibers >= 1 && cell.fibers <= 16384 && cell.main_stack > 0 &&
                            cell.main_stack % page == 0 && cell.fiber_rings % page == 0;
        const uint64_t further = cell.fiber_stack < page ? cell.fiber_stack : 2 * page;
        const bool room =
            RUMPK_WINDOW_STACKS + page + cell.main_stack + (cell.fibers - 1) * further <=
                RUMPK_WINDOW_RINGS &&
            RUMPK_WINDOW_RINGS + uint64_t{cell.fiber_rings} * cell.fibers <= RUMPK_WINDOW_BOOT_RINGS;
        const bool tiers = cell.home_tier <= Tier::void_ && cell.tier_ceiling <= cell.home_tier;
        const bool place = cell.window.value() < RUMPK_WINDOW_COUNT && cell.cores >= 1 && cell.cores <= 64 &&
                           (windows >> cell.window.value() & 1) == 0;
        if (!inside || !memory || !fibers || !room || !tiers || !place || cell.name.empty() ||
            !holds_budgets(cell, image)) {
            return false;
        }
        windows |= 1ULL << cell.window.value();
    }
    return table.cell_count() >= 1 && table.size() <= image.size() && table.console() < table.cell_count() &&
           holds_channels(table, image) && holds_devices(table, image) && holds_shares(table, image) &&
           (!table.fused() || table.cell_count() == 1);
}

} // namespace core_test
