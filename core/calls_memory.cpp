// SPDX-License-Identifier: Apache-2.0
// map and unmap: pages of the cell's own pool, zeroed, W^X.
#include "core/calls.h"
#include "core/memory.h"
#include "core/scheduler.h"

namespace rumpk {

namespace {

// Zeroed where the kernel touches memory, before the cell can see it. Page by
// page, with interrupts unmasked in between.
void zero_frames(PhysAddr first, uint64_t bytes) {
    for (uint64_t at = 0; at < bytes; at += MapPool::page_size) {
        __builtin_memset(boot_memory().touch(first + at), 0, MapPool::page_size);
    }
}

Result<AddressRange> reserve(Cell& cell, uint64_t handle, uint64_t offset, uint64_t length, uint64_t bits) {
    auto rights = Rights::checked(bits);
    if (!rights || rights->contains(right_create) || !rights->contains(right_read)) {
        return error(Errno::inval);
    }
    if (handle != RUMPK_HANDLE_MEMORY) {
        return error(Errno::badf); // no capability of this image can be mapped
    }
    if (offset != 0) {
        return error(Errno::inval);
    }
    // No rights before it is mapped: a call that gets the address meanwhile answers EFAULT.
    return cell.map_pool.take(length, Rights{});
}

Result<void> map_now(Cell& cell, AddressRange range, uint64_t rights) {
    const PhysAddr physical = cell.map_pool.physical(range.base);
    if (machine().map(range.base.value(), physical.value(), range.size, static_cast<uint32_t>(rights)) < 0) {
        (void)cell.map_pool.give(range);
        return error(Errno::nomem);
    }
    cell.map_pool.set_rights(range, *Rights::checked(rights)); // reserve() has checked them
    return {};
}

} // namespace
} // namespace rumpk

using namespace rumpk;

extern "C" int64_t rumpk_call_map(uint64_t handle, uint64_t offset, uint64_t length, uint64_t rights) {
    const InterruptsMasked masked;
    const Caller who = caller();
    const Promises needed =
        (rights & RUMPK_RIGHT_EXEC) != 0 ? promises_to_map_code : promises_of_call[RUMPK_CALL_MAP];
    if (auto promised = require(who, needed, "map"); !promised) {
        return to_call(promised);
    }
    if (auto home = require_home(who); !home) {
        return to_call(home);
    }
    Result<AddressRange> range{};
    const int64_t reserved = who.scheduler.on_kernel_stack([&]() -> int64_t {
        range = reserve(who.cell, handle, offset, length, rights);
        return range ? 0 : to_call(range.error());
    });
    if (reserved < 0) {
        return reserved;
    }
    machine().interrupts_restore(1); // the pages are ours: nobody else can map or see them yet
    zero_frames(who.cell.map_pool.physical(range->base), range->size);
    (void)machine().interrupts_mask();
    const int64_t mapped = who.scheduler.on_kernel_stack(
        [&]() -> int64_t { return to_call(map_now(who.cell, *range, rights)); });
    return mapped < 0 ? mapped : static_cast<int64_t>(range->base.value());
}

extern "C" int64_t rumpk_call_unmap(uint64_t address, uint64_t length) {
    const InterruptsMasked masked;
    const Caller who = caller();
    if (auto promised = require(who, promises_of_call[RUMPK_CALL_UNMAP], "unmap"); !promised) {
        return to_call(promised);
    }
    if (auto home = require_home(who); !home) {
        return to_call(home);
    }
    return who.scheduler.on_kernel_stack([&]() -> int64_t {
        auto range = AddressRange::checked(VirtAddr{address}, length);
        if (!range) {
            return to_call(Errno::fault);
        }
        if (auto given = who.cell.map_pool.give(*range); !given) {
            return to_call(given);
        }
        return machine().unmap(address, length) < 0 ? to_call(Errno::fault) : 0;
    });
}
