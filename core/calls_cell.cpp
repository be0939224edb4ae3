// SPDX-License-Identifier: Apache-2.0
// What a cell may do to another that it manages (parts::views): let it begin, and end it. The image gives it
// a capability for each. All of them are on one core.
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

const Cell* managed_at(const Cell& cell, uint64_t slot) {
    if (slot >= RUMPK_CAP_SLOTS || cell.capabilities[slot].kind != RUMPK_CAP_CELL) {
        return nullptr;
    }
    return &cells()[cell.capabilities[slot].object];
}

int64_t kill_cell(const Caller& who, uint64_t slot, uint64_t reason) {
    if (auto promised = require(who, promises_to_kill_cell, "kill of a cell"); !promised) {
        return to_call(promised);
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
