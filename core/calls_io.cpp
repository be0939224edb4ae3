// SPDX-License-Identifier: Apache-2.0
// read, write, random: bytes in small pieces, interrupts masked for a piece only. On the
// caller's own stack: it may be interrupted between two pieces, and the kernel's is not its own.
#include <algorithm>

#include "core/calls.h"
#include "core/console.h"
#include "core/random.h"
#include "core/scheduler.h"

namespace rumpk {

namespace {

constexpr size_t piece = 8;

// The checks that all three share. EINVAL, EFAULT.
Result<AddressRange> buffer_of(const Cell& cell, uint64_t buffer, uint64_t length, Rights rights) {
    if (length > RUMPK_IO_MAX) {
        return error(Errno::inval);
    }
    if (length == 0) {
        return AddressRange{};
    }
    return cell.reach(buffer, length, rights);
}

std::span<std::byte> bytes_of(AddressRange range) {
    return {static_cast<std::byte*>(range.pointer()), range.size};
}

// Masked: promise, descriptor, buffer.
Result<AddressRange> begin(uint32_t call, const char* name, bool descriptor_fits, uint64_t buffer,
                           uint64_t length, Rights rights) {
    const InterruptsMasked masked;
    const Caller who = caller();
    if (auto promised = require(who, promises_of_call[call], name); !promised) {
        return error(promised.error());
    }
    if (!descriptor_fits) {
        return error(Errno::badf);
    }
    if (call != RUMPK_CALL_RANDOM && (!who.cell.at_home() || !who.cell.has_console())) {
        return error(Errno::perm); // the console's driver is on the home core
    }
    return buffer_of(who.cell, buffer, length, rights);
}

} // namespace
} // namespace rumpk

using namespace rumpk;

extern "C" int64_t rumpk_call_read(uint64_t descriptor, uint64_t buffer, uint64_t length) {
    auto range = begin(RUMPK_CALL_READ, "read", descriptor == RUMPK_FD_INPUT, buffer, length,
                       right_read | right_write);
    if (!range || length == 0) {
        return range ? 0 : to_call(range.error());
    }
    const std::span<std::byte> bytes = bytes_of(*range);
    size_t taken = 0;
    while (taken < length) {
        const InterruptsMasked masked;
        const auto got = console().read_directly(bytes.subspan(taken, std::min(length - taken, piece)));
        if (!got || *got == 0) {
            return taken != 0 ? static_cast<int64_t>(taken) : to_call(got);
        }
        taken += *got;
    }
    return static_cast<int64_t>(taken);
}

extern "C" int64_t rumpk_call_write(uint64_t descriptor, uint64_t buffer, uint64_t length) {
    auto range = begin(RUMPK_CALL_WRITE, "write", descriptor == RUMPK_FD_OUTPUT, buffer, length, right_read);
    if (!range || length == 0) {
        return range ? 0 : to_call(range.error());
    }
    const std::span<const std::byte> bytes = bytes_of(*range);
    size_t sent = 0;
    while (sent < length) {
        const size_t size = std::min(length - sent, piece);
        const size_t taken = console().put(HAL_CONSOLE_STDOUT, bytes.subspan(sent, size));
        sent += taken;
        if (parts::views && taken < size) { // the console's driver has no room
            return sent != 0 ? static_cast<int64_t>(sent) : to_call(Errno::again);
        }
    }
    return static_cast<int64_t>(length);
}

extern "C" int64_t rumpk_call_random(uint64_t buffer, uint64_t length) {
    auto range = begin(RUMPK_CALL_RANDOM, "random", true, buffer, length, right_read | right_write);
    if (!range || length == 0) {
        return range ? 0 : to_call(range.error());
    }
    auto filled = this_scheduler().random().fill(bytes_of(*range));
    return filled ? static_cast<int64_t>(length) : to_call(filled);
}
