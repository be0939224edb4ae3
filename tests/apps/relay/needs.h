// SPDX-License-Identifier: Apache-2.0
//
// What needs which capability: the table of docs/decisions/several.md, row by row. `near` has all of them,
// `third` has none.
#pragma once

#include <array>
#include <cstdint>

#include <nexus/call.h>

namespace relay {

struct Need {
    const char* row; // as in the table
    uint32_t number;
    std::array<uint64_t, 5> arguments;
    uint32_t slot; // where the capability is, of who has it
    uint32_t kind;
    int64_t without; // what the call answers then
};

inline constexpr uint64_t nowait = RUMPK_YIELD_NOWAIT;
inline constexpr uint64_t sends = uint64_t{1} << 4;
inline constexpr uint64_t receives = uint64_t{1} << 5;

// Those that touch memory do so for 0 bytes. The last one does not return to who has it.
inline constexpr std::array needs = {
    Need{"read(0)", RUMPK_CALL_READ, {0, 0, 0}, 2, RUMPK_CAP_CONSOLE, -RUMPK_EPERM},
    Need{"write(1)", RUMPK_CALL_WRITE, {1, 0, 0}, 2, RUMPK_CAP_CONSOLE, -RUMPK_EPERM},
    Need{"ring the console", RUMPK_CALL_YIELD, {0, 4, 0, nowait}, 2, RUMPK_CAP_CONSOLE, -RUMPK_EBADF},
    Need{"wait for the console", RUMPK_CALL_YIELD, {4, 0, 0, nowait}, 2, RUMPK_CAP_CONSOLE, -RUMPK_EBADF},
    Need{"ring a channel", RUMPK_CALL_YIELD, {0, sends, 0, nowait}, 4, RUMPK_CAP_CHANNEL, -RUMPK_EBADF},
    Need{
        "wait for a channel", RUMPK_CALL_YIELD, {receives, 0, 0, nowait}, 5, RUMPK_CAP_CHANNEL, -RUMPK_EBADF},
    Need{"look up a channel",
         RUMPK_CALL_META,
         {RUMPK_META_CHANNEL, 0, 0, 4},
         4,
         RUMPK_CAP_CHANNEL,
         -RUMPK_EBADF},
    Need{"look up a share", RUMPK_CALL_META, {RUMPK_META_SHARE, 0, 0, 6}, 6, RUMPK_CAP_SHARE, -RUMPK_EBADF},
    Need{"end a cell, look at what it holds, take it",
         RUMPK_CALL_KILL,
         {7, 1},
         7,
         RUMPK_CAP_CELL,
         -RUMPK_EBADF},
    Need{"begin a cell", RUMPK_CALL_SPAWN, {7}, 7, RUMPK_CAP_CELL, -RUMPK_EBADF},
    Need{"halt the machine", RUMPK_CALL_HALT, {0, RUMPK_SCOPE_MACHINE}, 3, RUMPK_CAP_MACHINE, -RUMPK_EPERM},
};

inline int64_t ask(const Need& need) {
    const auto& a = need.arguments;
    if (need.number == RUMPK_CALL_SPAWN) {
        rumpk_spawn_args args{};
        args.size = sizeof args;
        args.flags = RUMPK_SPAWN_CELL;
        args.entry = a[0];
        return nexus::call::raw(need.number, nexus::call::address(&args));
    }
    return nexus::call::raw(need.number, a[0], a[1], a[2], a[3], a[4]);
}

} // namespace relay
