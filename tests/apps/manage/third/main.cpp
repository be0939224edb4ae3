// SPDX-License-Identifier: Apache-2.0
//
// Manages nobody: how often it was refused.
#include <nexus/call.h>

int main() {
    int refused = 0;
    for (uint64_t slot = 0; slot < RUMPK_CAP_SLOTS; ++slot) {
        rumpk_spawn_args args{};
        args.size = sizeof args;
        args.flags = RUMPK_SPAWN_CELL;
        args.entry = slot;
        const bool taken = nexus::call::raw(RUMPK_CALL_KILL, RUMPK_THEIR_SLOT(slot, 4), 1) != -RUMPK_EBADF;
        refused += !taken && nexus::call::raw(RUMPK_CALL_KILL, slot, 1) == -RUMPK_EBADF ? 1 : 0;
        refused += nexus::call::raw(RUMPK_CALL_SPAWN, nexus::call::address(&args)) == -RUMPK_EBADF ? 1 : 0;
    }
    return refused / 2;
}
