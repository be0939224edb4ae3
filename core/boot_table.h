// SPDX-License-Identifier: Apache-2.0
// Reader of the boot table (abi/image.h), which the image builder left behind
// the kernel. It crossed a file, a boot loader and perhaps a network: what
// read() accepts is whole and every field is in range.
#pragma once

#include <cstddef>
#include <expected>
#include <span>
#include <string_view>

#include "abi/image.h"
#include "core/types.h"

namespace rumpk {

// What is wrong with a table; describe() says it for a person. Several share a text, for the image builder
// has refused all of them before, in more words: the high digit chooses it.
enum class BootTableError : uint8_t {
    misaligned = 0x00,
    bad_magic = 0x01,
    too_short = 0x10,
    wrong_size = 0x11,
    wrong_version = 0x20,
    wrong_checksum = 0x30,
    unknown_flag = 0x40,
    reserved_not_zero = 0x41,
    bad_supervisor = 0x42,
    bad_cell_count = 0x50,
    fused_needs_one_cell = 0x51,
    bad_console = 0x52,
    bad_channels = 0x53,
    cells_outside_table = 0x60,
    elf_misaligned = 0x61,
    elf_outside_table = 0x62,
    bad_shares = 0x63,
    bad_name = 0x70,
    bad_memory = 0x80,
    bad_map_memory = 0x81,
    bad_window = 0x90,
    window_twice = 0x91,
    bad_home_tier = 0xa0,
    home_above_ceiling = 0xa1,
    bad_cores = 0xb0,
    bad_fiber_count = 0xc0,
    bad_main_stack = 0xd0,
    bad_fiber_stack = 0xd1,
    stacks_too_large = 0xd2,
    bad_fiber_rings = 0xd3,
    bad_budgets = 0xe0,
};
inline constexpr size_t boot_table_error_texts = 15;

// Where in the sender's window, behind RUMPK_WINDOW_CHANNELS, the channels from one cell to another lie: next
// to each other, in the table's order, whole pages each. A power of two in size, at a multiple of that, so
// that where windows are memory one region of the processor's shows a receiver all of them.
struct ChannelBlock {
    uint64_t offset;
    uint64_t size; // 0: there are none
};
// `to` RUMPK_WINDOW_COUNT: where all blocks of that sender have ended.
[[nodiscard]] ChannelBlock channel_block(std::span<const rumpk_boot_channel> channels, uint32_t from,
                                         uint32_t to);
// Bytes of a channel that the table's reader found good.
[[nodiscard]] uint64_t channel_pages(const rumpk_boot_channel& channel);
// Bytes that are seen of a share: whole pages, and where windows are memory a power of two.
[[nodiscard]] uint64_t share_pages(const rumpk_boot_share& share);

// One line, no full stop; never nullptr.
[[nodiscard]] const char* describe(BootTableError what);

// One cell as the image builder wants it.
struct BootCell {
    std::string_view name; // in the table: printable, 1..31 bytes
    std::span<const std::byte> elf;
    uint64_t memory = 0;     // bytes behind the start of the window, a multiple of 4096
    uint64_t map_memory = 0; // bytes that `map` may hand out, a multiple of 4096
    CellId window{};
    Tier home_tier = Tier::void_;
    Tier tier_ceiling = Tier::void_; // highest it may spawn in; at or above home_tier
    uint32_t cores = 0;              // that its fibers may run on, the boot core among them; 1..64
    uint32_t fibers = 0;             // 1..16384
    uint32_t main_stack = 0;         // bytes
    uint32_t fiber_stack = 0;        // bytes of a pooled one: 1024, 2048, 4096
    uint32_t fiber_rings = 0;        // bytes a fiber
    // In the table. Each as abi/call.h says, together for at most `fibers` fibers.
    std::span<const rumpk_meta_budget> budgets;
    uint32_t first_budget = 0; // 1..budgets.size(); 0: none
    bool waits = false;        // until its manager spawns it
};

class BootTable {
  public:
    // `image` may be longer than the table and must outlive it. Cost: the checksum
    // over everything, some 17 instructions a byte, and a little a cell. Which
    // cores the machine has is the caller's to check.
    [[nodiscard]] static std::expected<BootTable, BootTableError> read(std::span<const std::byte> image);

    [[nodiscard]] uint32_t cell_count() const { return cells_; }
    [[nodiscard]] BootCell cell(uint32_t index) const;                    // index < cell_count()
    [[nodiscard]] rumpk_boot_supervisor supervisor(uint32_t index) const; // the same cell's
    [[nodiscard]] uint32_t console() const;                               // index of the cell whose it is
    [[nodiscard]] std::span<const rumpk_boot_channel> channels() const;   // in the table, each good
    [[nodiscard]] std::span<const rumpk_boot_device> devices() const;     // the same
    [[nodiscard]] std::span<const rumpk_boot_share> shares() const;       // the same
    // Of the table, all that is seen of one of these.
    [[nodiscard]] std::span<const std::byte> contents(const rumpk_boot_share& share) const {
        return bytes_.subspan(share.offset, share_pages(share));
    }
    [[nodiscard]] bool fused() const { return (flags_ & RUMPK_IMAGE_FUSED) != 0; }
    [[nodiscard]] uint64_t size() const { return bytes_.size(); } // of everything

  private:
    std::span<const std::byte> bytes_;
    uint32_t cells_ = 0;
    uint32_t flags_ = 0;
};

// CRC-32 as in ISO 3309 and zlib (polynomial 0xEDB88320, reflected).
[[nodiscard]] uint32_t crc32(std::span<const std::byte> bytes);

} // namespace rumpk
