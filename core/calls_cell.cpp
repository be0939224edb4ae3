// SPDX-License-Identifier: Apache-2.0
// What a cell may do to another that it manages (parts::managers): let it begin, end it, and take from it
// what it holds. The image gives it a capability for each. All of them are on one core.
#include "core/calls.h"
#include "core/channels.h"
#include "core/supervisor.h"

namespace rumpk {

void grant_cells(const BootTable& table) {
    for (uint32_t i = 0; i < table.cell_count(); ++i) {
        const uint32_t manager = table.supervisor(i).manager & ~RUMPK_CELL_WAITS;
        if (manager != 0) {
            Cell& its = cells()[manager - 1];
            its.capabilities[take_slot(its, cells()[i].name())] = {RUMPK_CAP_CELL, right_write, 1, i};
        }
    }
}

Cell* managed_at(const Cell& cell, uint64_t slot) {
    if (!parts::managers || slot >= RUMPK_CAP_SLOTS || cell.capabilities[slot].kind != RUMPK_CAP_CELL) {
        return nullptr;
    }
    return &cells()[cell.capabilities[slot].object];
}

Result<CellSlot> their_slot(const Cell& cell, uint64_t number) {
    constexpr uint64_t step = RUMPK_THEIR_SLOT(0, 0);
    Cell* const its = managed_at(cell, number % step);
    const uint64_t slot = number / step - 1; // of a number that is none: beyond all
    if (its == nullptr || slot >= RUMPK_CAP_SLOTS) {
        return error(Errno::badf);
    }
    return CellSlot{its, slot};
}

int64_t kill_cell(const Caller& who, uint64_t slot, uint64_t reason) {
    if (auto promised = require(who, promises_to_kill_cell, "kill of a cell"); !promised) {
        return to_call(promised);
    }
    const auto named = slot_by(who.cell, slot);
    if (!named) {
        return to_call(named.error());
    }
    if (named->cell != &who.cell) {
        return named->cell->supervisor()->take_from_outside(who, static_cast<uint32_t>(named->slot), reason);
    }
    const Cell* const target = managed_at(who.cell, slot);
    if (target == nullptr) {
        return to_call(Errno::badf);
    }
    return to_call(target->supervisor()->end_from_outside(who.cell, reason));
}

int64_t spawn_cell(const Caller& who, const rumpk_spawn_args& args) {
    if (auto promised = require(who, promises_to_spawn_cell, "spawn of a cell"); !promised) {
        return to_call(promised);
    }
    if (args.flags != RUMPK_SPAWN_CELL) {
        return to_call(Errno::inval);
    }
    const Cell* const target = managed_at(who.cell, args.entry);
    if (target == nullptr) {
        return to_call(Errno::badf);
    }
    const auto begun = target->supervisor()->begin_from_outside();
    return begun ? static_cast<int64_t>(args.entry) : to_call(begun.error());
}

} // namespace rumpk
