// SPDX-License-Identifier: Apache-2.0
// What the calls share, and the smallest of them.
#include "core/calls.h"

#include <algorithm>
#include <array>

#include "core/fiber_start.h"
#include "core/log.h"
#include "core/remote.h"

namespace rumpk {

Caller caller() {
    Scheduler& scheduler = this_scheduler();
    Fiber& fiber = *scheduler.running();
    return {scheduler, fiber, *fiber.cell};
}

Result<void> broke_pledge(const Caller& who, const char* call) {
    if (Promises{who.cell.promises}.contains(Promise::error)) {
        return error(Errno::nosys);
    }
    end_self_by_pledge(call);
}

Result<void> require_home(const Caller& who) {
    return who.cell.at_home() ? Result<void>{} : error(Errno::perm);
}

namespace {

// What the calls below do takes long, so they run unmasked, and on the caller's own
// stack: whatever runs before the caller may come in between, and make the same call.

Caller caller_of_now() {
    const InterruptsMasked masked;
    return caller();
}

// A pledge is a NUL-terminated string in the cell's memory: looked at byte by byte, since
// where it ends is not known before, and kept a word at a time, for the stack may be small.
Result<Promises> read_promises(const Cell& cell, uint64_t address) {
    Promises wanted;
    bool known = true;
    std::array<char, 16> word; // longer than any name
    size_t letters = 0;
    for (size_t length = 0; length <= RUMPK_PLEDGE_MAX; ++length) {
        auto byte = cell.reach(address + length, 1, right_read);
        if (!byte) {
            return error(byte.error());
        }
        const char letter = *static_cast<const char*>(byte->pointer());
        if (letter != ' ' && letter != '\0') {
            if (letters < word.size()) {
                word[letters++] = letter;
            }
            continue;
        }
        if (auto one = Promises::parse({word.data(), letters}); one) {
            wanted = wanted | *one;
        } else {
            known = false;
        }
        letters = 0;
        if (letter == '\0') {
            return known ? Result<Promises>{wanted} : error(Errno::inval);
        }
    }
    return error(Errno::toobig);
}

Result<void> pledge(Cell& cell, uint64_t address) {
    auto wanted = read_promises(cell, address);
    if (!wanted) {
        return error(wanted.error());
    }
    const InterruptsMasked masked;
    auto narrowed = Promises{cell.promises}.narrowed(*wanted);
    if (!narrowed) {
        return error(narrowed.error());
    }
    cell.promises = *narrowed;
    return {};
}

// The path goes into the table in pieces. EAGAIN: another path has come in between.
Result<void> add_path(UnveilTable& table, std::span<const char> path, uint64_t rights) {
    constexpr size_t piece = 32;
    auto turn = [&] {
        const InterruptsMasked masked;
        return table.begin();
    }();
    if (!turn) {
        return error(turn.error());
    }
    for (size_t at = 0; at < path.size(); at += piece) {
        const InterruptsMasked masked;
        table.put(*turn, at, path.subspan(at, std::min(path.size() - at, piece)));
    }
    const auto same = table.find(path.size());
    const InterruptsMasked masked;
    return table.finish(*turn, path.size(), same, rights);
}

Result<void> unveil(Cell& cell, uint64_t path, uint64_t length, uint64_t rights) {
    if (path == 0 && length == 0) {
        const InterruptsMasked masked;
        return cell.unveil.lock();
    }
    if (length > RUMPK_PATH_MAX) {
        return error(Errno::toobig);
    }
    auto range = cell.reach(path, length, right_read);
    if (!range) {
        return error(range.error());
    }
    for (;;) {
        auto added = add_path(cell.unveil, {static_cast<const char*>(range->pointer()), length}, rights);
        if (added || added.error() != Errno::again) {
            return added;
        }
    }
}

} // namespace
} // namespace rumpk

using namespace rumpk;

extern "C" int64_t rumpk_call_pledge(uint64_t promises) {
    const Caller who = caller_of_now();
    if (auto home = require_home(who); !home) {
        return to_call(home);
    }
    return to_call(pledge(who.cell, promises));
}

extern "C" int64_t rumpk_call_unveil(uint64_t path, uint64_t length, uint64_t rights) {
    const Caller who = caller_of_now();
    {
        const InterruptsMasked masked;
        if (auto promised = require(who, promises_of_call[RUMPK_CALL_UNVEIL], "unveil"); !promised) {
            return to_call(promised);
        }
    }
    if (auto home = require_home(who); !home) {
        return to_call(home);
    }
    return to_call(unveil(who.cell, path, length, rights));
}

extern "C" int64_t rumpk_call_time(uint64_t clock) {
    const uint64_t now = machine().now();
    if (clock == RUMPK_CLOCK_MONOTONIC) {
        return static_cast<int64_t>(now);
    }
    if (clock != RUMPK_CLOCK_WALL) {
        return to_call(Errno::inval);
    }
    const int64_t offset = machine().boot->wall_offset;
    return offset == 0 ? to_call(Errno::nodev) : static_cast<int64_t>(now) + offset;
}
