// SPDX-License-Identifier: Apache-2.0
#include "core/boot_table.h"

#include <algorithm>
#include <array>
#include <bit>

#include "core/copy.h"
#include "core/format.h"
#include "core/machine.h"
#include "core/parts.h"
#include "ion/geometry.h"

namespace rumpk {

namespace {

using Bytes = std::span<const std::byte>;
template <typename T>
using Checked = std::expected<T, BootTableError>;

constexpr uint64_t page_size = 4096;
constexpr size_t header_size = sizeof(rumpk_boot_table);
constexpr size_t cell_size = sizeof(rumpk_boot_cell);
constexpr uint32_t max_fibers = 16384;
constexpr uint32_t max_cores = 64;

// Room in a window, from abi/image.h: what stands between the marks.
constexpr uint64_t program_room = RUMPK_WINDOW_MAP;
constexpr uint64_t map_room = RUMPK_WINDOW_STACKS - RUMPK_WINDOW_MAP;
constexpr uint64_t stack_room = RUMPK_WINDOW_RINGS - RUMPK_WINDOW_STACKS;
constexpr uint64_t channel_room = RUMPK_WINDOW_SIZE - RUMPK_WINDOW_CHANNELS;
constexpr uint64_t ring_room = RUMPK_WINDOW_BOOT_RINGS - RUMPK_WINDOW_RINGS;

std::unexpected<BootTableError> wrong(BootTableError what) {
    return std::unexpected<BootTableError>(what);
}

// Copied out whole: the table need not be aligned for it, and cannot change under us.
template <typename T>
T copy_of(Bytes bytes, size_t offset) {
    ensure(offset + sizeof(T) <= bytes.size());
    T value;
    copy_bytes(&value, bytes.data() + offset, sizeof(T));
    return value;
}

bool all_zero(std::span<const uint8_t> bytes) {
    uint8_t any = 0;
    for (const uint8_t byte : bytes) {
        any |= byte;
    }
    return any == 0;
}

bool is_page_multiple(uint64_t value) {
    return value % page_size == 0;
}

// Bytes before the NUL; 0: there is none, nothing before it, something after it, or
// a byte that would not print.
size_t name_length(std::span<const uint8_t> name) {
    size_t length = 0;
    while (length < name.size() && name[length] > ' ' && name[length] < 0x7f) {
        ++length;
    }
    for (size_t i = length; i < name.size(); ++i) {
        if (name[i] != 0) {
            return 0;
        }
    }
    return length < name.size() ? length : 0;
}

Checked<void> check_memory(const rumpk_boot_cell& cell) {
    if (cell.memory == 0 || !is_page_multiple(cell.memory) || cell.memory > program_room) {
        return wrong(BootTableError::bad_memory);
    }
    if (!is_page_multiple(cell.map_memory) || cell.map_memory > map_room) {
        return wrong(BootTableError::bad_map_memory);
    }
    if (cell.fibers == 0 || cell.fibers > max_fibers) {
        return wrong(BootTableError::bad_fiber_count);
    }
    if (cell.main_stack == 0 || !is_page_multiple(cell.main_stack)) {
        return wrong(BootTableError::bad_main_stack);
    }
    if (cell.fiber_stack != 0 && cell.fiber_stack != 1024 && cell.fiber_stack != 2048) {
        return wrong(BootTableError::bad_fiber_stack);
    }
    // The first stands above a guard page, and so do further ones of a page.
    const uint64_t further = cell.fiber_stack != 0 ? cell.fiber_stack : 2 * page_size;
    const uint64_t stacks = page_size + cell.main_stack + (cell.fibers - 1) * further;
    if (stacks > stack_room) {
        return wrong(BootTableError::stacks_too_large);
    }
    if (!is_page_multiple(cell.fiber_rings) || uint64_t{cell.fiber_rings} * cell.fibers > ring_room) {
        return wrong(BootTableError::bad_fiber_rings);
    }
    return {};
}

Checked<void> check_place(const rumpk_boot_cell& cell) {
    if (cell.window >= RUMPK_WINDOW_COUNT) {
        return wrong(BootTableError::bad_window);
    }
    if (cell.home_tier >= tier_count) {
        return wrong(BootTableError::bad_home_tier);
    }
    if (cell.tier_ceiling > cell.home_tier) {
        return wrong(BootTableError::home_above_ceiling);
    }
    if (cell.cores - 1U >= (parts::cores ? max_cores : 1)) {
        return wrong(BootTableError::bad_cores);
    }
    return {};
}

// Whole, aligned and behind the cells. Stays where it is: the table is read-only.
bool budgets_inside(const rumpk_boot_cell& cell, uint64_t first, uint64_t size) {
    return cell.budgets <= RUMPK_BUDGETS_MAX && cell.budgets_offset >= first &&
           cell.budgets_offset % alignof(rumpk_meta_budget) == 0 &&
           cell.budgets_offset + cell.budgets * sizeof(rumpk_meta_budget) <= size;
}

std::span<const rumpk_meta_budget> budgets_of(Bytes table, const rumpk_boot_cell& cell) {
    return {reinterpret_cast<const rumpk_meta_budget*>(table.data() + cell.budgets_offset), cell.budgets};
}

bool good_budget(const rumpk_meta_budget& budget) {
    return budget.size == sizeof budget && name_length(budget.name) != 0 && budget.run_us != 0 &&
           budget.run_us < budget.window_us && budget.fibers != 0;
}

Checked<void> check_budgets(const rumpk_boot_cell& cell, Bytes table, uint64_t first) {
    bool good = cell.first_budget <= cell.budgets && (cell.budgets == 0 || parts::budgets);
    if (good && cell.budgets != 0) {
        good = good && budgets_inside(cell, first, table.size());
        uint64_t fibers = 0;
        for (uint32_t i = 0; good && i < cell.budgets; ++i) {
            const rumpk_meta_budget& budget = budgets_of(table, cell)[i];
            fibers += budget.fibers;
            good = good_budget(budget) && fibers <= cell.fibers;
        }
    }
    return good ? Checked<void>{} : wrong(BootTableError::bad_budgets);
}

// In a kernel that lets nobody begin anew there is nothing to say.
bool good_supervisor(const rumpk_boot_cell& cell) {
    const rumpk_boot_supervisor& its = cell.supervisor;
    if (!parts::restart || its.policy == RUMPK_RESTART_NEVER) {
        // Its manager is another question, if it can have one.
        const std::span all(reinterpret_cast<const uint8_t*>(&its), sizeof its);
        constexpr size_t behind = offsetof(rumpk_boot_supervisor, limit);
        return parts::views ? its.policy == RUMPK_RESTART_NEVER && all_zero(all.subspan(behind))
                            : all_zero(all);
    }
    return its.policy <= RUMPK_RESTART_ALWAYS && its.limit - 1U < RUMPK_RESTARTS_MAX && its.window_us != 0 &&
           its.backoff_us <= its.backoff_limit_us &&
           (its.heartbeat_us == 0 || (its.heartbeat_us >= RUMPK_HEARTBEAT_MIN && cell.cores == 1));
}

// Another than the cell, if there is one; and what the image needs from the beginning does not wait. In a
// kernel that lets nobody manage there is none.
bool good_manager(const rumpk_boot_table& header, uint32_t index, const rumpk_boot_cell& cell) {
    const uint32_t manager = cell.supervisor.manager & ~RUMPK_CELL_WAITS;
    const bool waits = (cell.supervisor.manager & RUMPK_CELL_WAITS) != 0;
    return (parts::managers || cell.supervisor.manager == 0) && manager <= header.cells &&
           manager != index + 1 && (manager == 0 || index != 0) &&
           (!waits || (manager != 0 && index != header.console));
}

Checked<void> check_cell(const rumpk_boot_cell& cell, Bytes table, uint64_t first_elf) {
    const uint64_t size = table.size();
    if (name_length(cell.name) == 0) {
        return wrong(BootTableError::bad_name);
    }
    if (!good_supervisor(cell)) {
        return wrong(BootTableError::bad_supervisor);
    }
    if (!is_page_multiple(cell.elf_offset)) {
        return wrong(BootTableError::elf_misaligned);
    }
    if (cell.elf_size == 0 || cell.elf_offset < first_elf || cell.elf_offset > size ||
        cell.elf_size > size - cell.elf_offset) {
        return wrong(BootTableError::elf_outside_table);
    }
    if (const auto memory = check_memory(cell); !memory) {
        return memory;
    }
    if (const auto budgets = check_budgets(cell, table, first_elf); !budgets) {
        return budgets;
    }
    return check_place(cell);
}

std::span<const rumpk_boot_channel> channels_of(Bytes table, const rumpk_boot_table& header) {
    return {reinterpret_cast<const rumpk_boot_channel*>(table.data() + header.channels_offset),
            header.channels};
}

std::span<const rumpk_boot_device> devices_of(Bytes table, const rumpk_boot_table& header) {
    return {reinterpret_cast<const rumpk_boot_device*>(table.data() + header.devices_offset), header.devices};
}

std::span<const rumpk_boot_share> shares_of(Bytes table, const rumpk_boot_table& header) {
    return {reinterpret_cast<const rumpk_boot_share*>(table.data() + header.shares_offset), header.shares};
}

// Whole, aligned and behind the cells; or not there.
template <typename T>
bool good_list(const rumpk_boot_table& header, Bytes table, uint32_t offset, uint32_t count, uint32_t most) {
    const bool inside = count <= most && offset >= header_size + header.cells * cell_size &&
                        offset % alignof(T) == 0 && offset + count * sizeof(T) <= table.size();
    return inside || (count == 0 && offset == 0);
}

// Its ends, and how large messages are where one of them is the kernel's.
bool good_ends(const rumpk_boot_table& header, const rumpk_boot_channel& one) {
    const uint32_t capacity = one.slot_size - RUMPK_SLOT_HEADER_SIZE;
    if (one.from == RUMPK_CHANNEL_KERNEL_CONSOLE) {
        return one.to < header.cells && capacity == sizeof(rumpk_console_output);
    }
    const bool to_kernel = (one.to == RUMPK_CHANNEL_KERNEL && capacity == RUMPK_ENTROPY_SIZE) ||
                           one.to == RUMPK_CHANNEL_KERNEL_CONSOLE;
    return one.from < header.cells && (one.to < header.cells || to_kernel) && one.from != one.to;
}

bool good_channel(const rumpk_boot_table& header, const rumpk_boot_channel& one) {
    return ion::Geometry::make(one.slots, one.slot_size) && good_ends(header, one) &&
           name_length(one.name) != 0;
}

// The console has no driver, or one, at both of its channels. Not the cell whose console it is: a driver that
// begins anew would wait for itself.
bool good_console(const rumpk_boot_table& header, std::span<const rumpk_boot_channel> channels) {
    uint32_t to = RUMPK_CHANNEL_KERNEL_CONSOLE;
    uint32_t from = RUMPK_CHANNEL_KERNEL_CONSOLE;
    uint32_t count = 0;
    for (const rumpk_boot_channel& one : channels) {
        to = one.from == RUMPK_CHANNEL_KERNEL_CONSOLE ? one.to : to;
        from = one.to == RUMPK_CHANNEL_KERNEL_CONSOLE ? one.from : from;
        count += one.from == RUMPK_CHANNEL_KERNEL_CONSOLE || one.to == RUMPK_CHANNEL_KERNEL_CONSOLE ? 1 : 0;
    }
    return count == 0 || (count == 2 && to == from && to != header.console);
}

bool good_device(const rumpk_boot_table& header, const rumpk_boot_device& one) {
    return one.cell < header.cells && (one.virtio != 0) == all_zero(one.compatible) &&
           (one.virtio != 0 || name_length(one.compatible) != 0) && is_page_multiple(one.memory) &&
           one.reserved == 0 && name_length(one.name) != 0;
}

bool good_share(const rumpk_boot_table& header, uint64_t size, const rumpk_boot_share& one) {
    return one.cells != 0 && one.cells >> header.cells == 0 && is_page_multiple(one.offset) &&
           one.offset >= header_size + header.cells * cell_size && one.size != 0 &&
           one.size <= RUMPK_SHARES_SIZE && one.offset + share_pages(one) <= size && one.reserved == 0 &&
           name_length(one.name) != 0;
}

// A kernel that has no use for them takes no image that has some.
bool good_shares(const rumpk_boot_table& header, Bytes table) {
    if (!parts::shares) {
        return header.shares == 0;
    }
    if (!good_list<rumpk_boot_share>(header, table, header.shares_offset, header.shares, RUMPK_SHARES_MAX)) {
        return false;
    }
    uint64_t pages = 0;
    for (const rumpk_boot_share& one : shares_of(table, header)) {
        if (!good_share(header, table.size(), one)) {
            return false;
        }
        pages += align_up(one.size, page_size);
    }
    return pages <= RUMPK_SHARES_SIZE;
}

bool kernel_is_at(const rumpk_boot_channel& one) {
    return one.from >= RUMPK_CHANNEL_KERNEL_CONSOLE || one.to >= RUMPK_CHANNEL_KERNEL_CONSOLE;
}

// And what stands in a cell's window of them fits there: a device has a page for its ring, its registers,
// which begin anywhere in a page, and its memory.
bool good_channels_and_devices(const rumpk_boot_table& header, Bytes table) {
    if (!good_list<rumpk_boot_channel>(header, table, header.channels_offset, header.channels,
                                       RUMPK_CHANNELS_MAX) ||
        !good_list<rumpk_boot_device>(header, table, header.devices_offset, header.devices,
                                      RUMPK_DEVICES_MAX)) {
        return false;
    }
    const std::span<const rumpk_boot_channel> channels = channels_of(table, header);
    const std::span<const rumpk_boot_device> devices = devices_of(table, header);
    if (!std::ranges::all_of(channels, [&](const auto& one) { return good_channel(header, one); }) ||
        !std::ranges::all_of(devices, [&](const auto& one) { return good_device(header, one); }) ||
        !good_console(header, channels)) {
        return false;
    }
    for (uint32_t cell = 0; cell < header.cells; ++cell) {
        uint64_t used = channel_block(channels, cell, RUMPK_WINDOW_COUNT).offset;
        for (const rumpk_boot_channel& one : channels) {
            used += kernel_is_at(one) && (one.from == cell || one.to == cell) ? channel_pages(one) : 0;
        }
        for (const rumpk_boot_device& one : devices) {
            used += one.cell == cell ? 3 * page_size + one.memory : 0;
            if (used > channel_room) { // each by itself: memory is any number
                return false;
            }
        }
        if (used > channel_room) {
            return false;
        }
    }
    return true;
}

Checked<void> check_header(const rumpk_boot_table& table, size_t available) {
    if (table.magic != RUMPK_BOOT_TABLE_MAGIC) {
        return wrong(BootTableError::bad_magic);
    }
    if (table.version != RUMPK_BOOT_TABLE_VERSION) {
        return wrong(BootTableError::wrong_version);
    }
    if (table.size < header_size || table.size > available) {
        return wrong(BootTableError::wrong_size);
    }
    return {};
}

Checked<void> check_contents(const rumpk_boot_table& table, Bytes bytes) {
    if ((table.flags & ~RUMPK_IMAGE_FUSED) != 0) {
        return wrong(BootTableError::unknown_flag);
    }
    if (!all_zero(table.reserved)) {
        return wrong(BootTableError::reserved_not_zero);
    }
    if (table.cells == 0 || table.cells > RUMPK_WINDOW_COUNT) {
        return wrong(BootTableError::bad_cell_count);
    }
    if ((table.flags & RUMPK_IMAGE_FUSED) != 0 && table.cells != 1) {
        return wrong(BootTableError::fused_needs_one_cell);
    }
    if (parts::views && table.console >= table.cells) {
        return wrong(BootTableError::bad_console);
    }
    if (table.cells * cell_size > table.size - header_size) {
        return wrong(BootTableError::cells_outside_table);
    }
    if (parts::views && !good_channels_and_devices(table, bytes)) {
        return wrong(BootTableError::bad_channels);
    }
    if (parts::views && !good_shares(table, bytes)) {
        return wrong(BootTableError::bad_shares);
    }
    return {};
}

} // namespace

std::expected<BootTable, BootTableError> BootTable::read(Bytes image) {
    if (image.size() < header_size) {
        return wrong(BootTableError::too_short);
    }
    if (reinterpret_cast<uintptr_t>(image.data()) % page_size != 0) {
        return wrong(BootTableError::misaligned);
    }
    const auto table = copy_of<rumpk_boot_table>(image, 0);
    if (const auto header = check_header(table, image.size()); !header) {
        return wrong(header.error());
    }
    const Bytes bytes = image.first(table.size);
    if (crc32(bytes.subspan(header_size)) != table.checksum) {
        return wrong(BootTableError::wrong_checksum);
    }
    if (const auto contents = check_contents(table, bytes); !contents) {
        return wrong(contents.error());
    }
    uint32_t windows = 0;
    for (uint32_t i = 0; i < table.cells; ++i) {
        const auto cell = copy_of<rumpk_boot_cell>(bytes, header_size + i * cell_size);
        if (const auto fits = check_cell(cell, bytes, header_size + table.cells * cell_size); !fits) {
            return wrong(fits.error());
        }
        if (parts::views && !good_manager(table, i, cell)) {
            return wrong(BootTableError::bad_supervisor);
        }
        if ((windows >> cell.window & 1) != 0) {
            return wrong(BootTableError::window_twice);
        }
        windows |= 1U << cell.window;
    }
    BootTable read;
    read.bytes_ = bytes;
    read.cells_ = table.cells;
    read.flags_ = table.flags;
    return read;
}

BootCell BootTable::cell(uint32_t index) const {
    ensure(index < cells_);
    const size_t at = header_size + index * cell_size;
    const auto raw = copy_of<rumpk_boot_cell>(bytes_, at);
    BootCell cell;
    const auto* const name =
        reinterpret_cast<const char*>(bytes_.data() + at + offsetof(rumpk_boot_cell, name));
    cell.name = {name, name_length(raw.name)};
    cell.elf = bytes_.subspan(raw.elf_offset, raw.elf_size);
    cell.memory = raw.memory;
    cell.map_memory = raw.map_memory;
    cell.window = CellId{raw.window};
    cell.home_tier = static_cast<Tier>(raw.home_tier);
    cell.tier_ceiling = static_cast<Tier>(raw.tier_ceiling);
    cell.cores = raw.cores;
    cell.fibers = raw.fibers;
    cell.main_stack = raw.main_stack;
    cell.fiber_stack = raw.fiber_stack != 0 ? raw.fiber_stack : page_size;
    cell.fiber_rings = raw.fiber_rings;
    if (parts::budgets && raw.budgets != 0) {
        cell.budgets = budgets_of(bytes_, raw);
    }
    cell.first_budget = raw.first_budget;
    cell.waits = parts::managers && (raw.supervisor.manager & RUMPK_CELL_WAITS) != 0;
    return cell;
}

uint32_t BootTable::console() const {
    return parts::views ? copy_of<rumpk_boot_table>(bytes_, 0).console : 0;
}

uint64_t channel_pages(const rumpk_boot_channel& channel) {
    return align_up(ion::Geometry::make(channel.slots, channel.slot_size)->bytes(), page_size);
}

ChannelBlock channel_block(std::span<const rumpk_boot_channel> channels, uint32_t from, uint32_t to) {
    ChannelBlock block{};
    for (uint32_t receiver = 0; receiver <= to; ++receiver) {
        uint64_t bytes = 0;
        for (const rumpk_boot_channel& one : channels) {
            bytes += one.from == from && one.to == receiver ? channel_pages(one) : 0;
        }
        const uint64_t behind = block.offset + block.size;
        block.size = bytes != 0 ? std::bit_ceil(bytes) : 0;
        block.offset = bytes != 0 ? align_up(behind, block.size) : behind;
    }
    return block;
}

std::span<const rumpk_boot_channel> BootTable::channels() const {
    return channels_of(bytes_, copy_of<rumpk_boot_table>(bytes_, 0));
}

std::span<const rumpk_boot_device> BootTable::devices() const {
    return devices_of(bytes_, copy_of<rumpk_boot_table>(bytes_, 0));
}

uint64_t share_pages(const rumpk_boot_share& share) {
    const uint64_t pages = align_up(share.size, page_size);
    return windows_are_memory ? std::bit_ceil(pages) : pages;
}

std::span<const rumpk_boot_share> BootTable::shares() const {
    return shares_of(bytes_, copy_of<rumpk_boot_table>(bytes_, 0));
}

rumpk_boot_supervisor BootTable::supervisor(uint32_t index) const {
    ensure(index < cells_);
    return copy_of<rumpk_boot_cell>(bytes_, header_size + index * cell_size).supervisor;
}

// By the high digit of the error.
constexpr const char* texts = "no boot table\0"
                              "cut off\0"
                              "made by another version of the image builder\0"
                              "damaged: the checksum differs\0"
                              "unknown flags\0"
                              "not 1 to 7 cells, or 1 fused\0"
                              "cells or programs beyond the end\0"
                              "a cell without a printable name\0"
                              "impossible memory\0"
                              "no such window, or twice\0"
                              "impossible tier\0"
                              "impossible cores\0"
                              "not 1 to 16384 fibers\0"
                              "impossible stacks or fiber rings\0"
                              "impossible budgets\0";

const char* describe(BootTableError what) {
    return text_in(texts, static_cast<size_t>(what) >> 4);
}

} // namespace rumpk
