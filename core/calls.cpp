// SPDX-License-Identifier: Apache-2.0
// What the calls share, and the smallest of them.
#include "core/calls.h"

#include "core/fiber_start.h"
#include "core/log.h"
#include "core/remote.h"

namespace rumpk {

Caller caller() {
    Scheduler& scheduler = this_scheduler();
    Fiber& fiber = *scheduler.running();
    return {scheduler, fiber, *fiber.cell};
}

Result<void> require(const Caller& who, Promises needed, const char* call) {
    const Promises held = who.cell.promises;
    if (held.contains(needed)) {
        return {};
    }
    if (held.contains(Promise::error)) {
        return error(Errno::nosys);
    }
    leave_for_ever([&] { fiber_end_by_pledge(who.fiber, call); });
}

Result<void> require_home(const Caller& who) {
    return who.cell.at_home() ? Result<void>{} : error(Errno::perm);
}

namespace {

// A pledge is a NUL-terminated string in the cell's memory: looked at byte by
// byte, since where it ends is not known before.
Result<size_t> copy_string(const Cell& cell, uint64_t address, std::span<char> buffer) {
    for (size_t length = 0; length < buffer.size(); ++length) {
        auto byte = cell.range(address + length, 1, right_read);
        if (!byte) {
            return error(byte.error());
        }
        buffer[length] = *static_cast<const char*>(byte->pointer());
        if (buffer[length] == '\0') {
            return length;
        }
    }
    return error(Errno::toobig);
}

Result<void> pledge(Cell& cell, uint64_t address) {
    char names[RUMPK_PLEDGE_MAX + 1];
    auto length = copy_string(cell, address, names);
    if (!length) {
        return error(length.error());
    }
    auto wanted = Promises::parse({names, *length});
    if (!wanted) {
        return error(wanted.error());
    }
    auto narrowed = Promises{cell.promises}.narrowed(*wanted);
    if (!narrowed) {
        return error(narrowed.error());
    }
    cell.promises = *narrowed;
    return {};
}

Result<void> unveil(Cell& cell, uint64_t path, uint64_t length, uint64_t rights) {
    if (path == 0 && length == 0) {
        return cell.unveil.lock();
    }
    if (length > RUMPK_PATH_MAX) {
        return error(Errno::toobig);
    }
    auto range = cell.range(path, length, right_read);
    if (!range) {
        return error(range.error());
    }
    char copy[RUMPK_PATH_MAX];
    __builtin_memcpy(copy, range->pointer(), length);
    return cell.unveil.add({copy, length}, rights);
}

} // namespace
} // namespace rumpk

using namespace rumpk;

extern "C" int64_t rumpk_call_pledge(uint64_t promises) {
    const InterruptsMasked masked;
    const Caller who = caller();
    if (auto home = require_home(who); !home) {
        return to_call(home);
    }
    return who.scheduler.on_kernel_stack([&]() -> int64_t { return to_call(pledge(who.cell, promises)); });
}

extern "C" int64_t rumpk_call_unveil(uint64_t path, uint64_t length, uint64_t rights) {
    const InterruptsMasked masked;
    const Caller who = caller();
    if (auto promised = require(who, promises_of_call[RUMPK_CALL_UNVEIL], "unveil"); !promised) {
        return to_call(promised);
    }
    if (auto home = require_home(who); !home) {
        return to_call(home);
    }
    return who.scheduler.on_kernel_stack(
        [&]() -> int64_t { return to_call(unveil(who.cell, path, length, rights)); });
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
