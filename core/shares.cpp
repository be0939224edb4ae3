// SPDX-License-Identifier: Apache-2.0
#include "core/shares.h"

#include <bit>

#include "core/channels.h"
#include "core/log.h"
#include "core/memory.h"

namespace rumpk {

namespace {

std::span<rumpk_meta_share> shares; // a capability's object is the index of one

void show(Cell& cell, uint32_t number, AddressRange place, PhysAddr memory) {
    const auto* const name = reinterpret_cast<const char*>(shares[number].name);
    cell.capabilities[take_slot(cell, name)] = {RUMPK_CAP_SHARE, right_read, 1, number};
    if (parts::cells && machine().views->show(cell.id().value(), place.base.value(), memory.value(),
                                              place.size, mapped_with(right_read)) < 0) {
        stop_boot("cell %.*s: share %s cannot be mapped", RUMPK_TEXT(cell.name()), name);
    }
}

} // namespace

// The image stays where it was loaded, and the kernel's own map has it read-only: so no memory is taken.
void prepare_shares(const BootTable& table) {
    const std::span<const rumpk_boot_share> described = table.shares();
    shares = boot_memory().take_objects<rumpk_meta_share>(described.size(), "shares");
    VirtAddr next{RUMPK_SHARES_BASE};
    for (uint32_t i = 0; i < described.size(); ++i) {
        const rumpk_boot_share& one = described[i];
        const std::span<const std::byte> bytes = table.contents(one);
        const PhysAddr memory{reinterpret_cast<uintptr_t>(bytes.data())}; // abi/hal.h, `image`
        const bool elsewhere = parts::cells && !windows_are_memory;
        const AddressRange place{elsewhere ? next : VirtAddr{memory.value()}, bytes.size()};
        next = place.end();
        rumpk_meta_share& share = shares[i];
        share.size = sizeof share;
        share.cells = static_cast<uint32_t>(std::popcount(one.cells));
        share.base = place.base.value();
        share.bytes = one.size;
        __builtin_memcpy(share.name, one.name, sizeof share.name);
        for (uint32_t cells_left = one.cells; cells_left != 0; cells_left &= cells_left - 1) {
            show(cells()[static_cast<size_t>(std::countr_zero(cells_left))], i, place, memory);
        }
    }
}

// As many pages as are shown: the table's reader has made sure that the file has them.
SharePlace lose_share(const Cell& cell, uint32_t slot) {
    rumpk_meta_share& share = shares[cell.capabilities[slot].object];
    --share.cells;
    const uint64_t pages = align_up(share.bytes, HAL_PAGE_SIZE);
    return {reinterpret_cast<const char*>(share.name),
            {VirtAddr{share.base}, windows_are_memory ? std::bit_ceil(pages) : pages}};
}

const rumpk_meta_share* share_at(const Cell& cell, uint32_t slot) {
    const Capability& held = cell.capabilities[slot];
    return held.kind == RUMPK_CAP_SHARE ? &shares[held.object] : nullptr;
}

} // namespace rumpk
