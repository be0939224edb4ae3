// SPDX-License-Identifier: Apache-2.0
// Shares (parts::shares): bytes that stand in the image once and that some of its cells read where they are,
// at one address, and nobody writes. A capability each, in every cell that has it.
#pragma once

#include <string_view>

#include "core/boot_table.h"
#include "core/cell.h"

namespace rumpk {

// Boot only: the cells are there, nothing of them runs. What cannot be done ends the boot with a line.
void prepare_shares(const BootTable& table);

// Masked. It is taken from the cell: its name, and what the cell's view shows of it.
struct SharePlace {
    std::string_view name;
    AddressRange shown;
};
[[nodiscard]] SharePlace lose_share(const Cell& cell, uint32_t slot);

// Of a cell's slot; nullptr: it holds none.
[[nodiscard]] const rumpk_meta_share* share_at(const Cell& cell, uint32_t slot);

} // namespace rumpk
