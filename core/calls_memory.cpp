// SPDX-License-Identifier: Apache-2.0
// map and unmap: pages of the cell's own pool, zeroed, W^X. Both go page by page, with
// interrupts unmasked in between: whatever runs before the caller may come, and make
// the same calls, or end the caller.
#include <utility>

#include "core/calls.h"
#include "core/memory.h"
#include "core/scheduler.h"

namespace rumpk {

namespace {

constexpr uint64_t page = MapPool::page_size;

// EINVAL, EBADF: what map cannot do.
Result<Rights> check_map(uint64_t handle, uint64_t offset, uint64_t bits) {
    auto rights = Rights::checked(bits);
    if (!rights || rights->contains(right_create) || !rights->contains(right_read)) {
        return error(Errno::inval);
    }
    if (handle != RUMPK_HANDLE_MEMORY) {
        return error(Errno::badf); // no capability of this image can be mapped
    }
    return offset == 0 ? rights : error(Errno::inval);
}

// Masked. The page may not have been mapped yet.
void give_page(const Caller& who, VirtAddr at) {
    (void)who.scheduler.on_kernel_stack([&]() -> int64_t { return machine().unmap(at.value(), page); });
    who.cell.map_pool.give(at);
}

// Gives back what a map has taken that does not come to its end.
void undo(const Caller& who, Cell::Mapping& mapping) {
    for (;;) {
        const InterruptsMasked masked;
        if (mapping.range.empty()) {
            return;
        }
        mapping.range.size -= page;
        give_page(who, mapping.range.end());
    }
}

Cell::Mapping& mapping_of(const Caller& who) {
    return who.cell.mappings[static_cast<size_t>(who.fiber.tier)];
}

// Whoever was ended in the middle of a map has left its pages behind: they become the caller's
// to give back. If the mapping of the caller's own tier is not empty its fiber has ended: inside a tier
// nobody runs in the middle of another's call.
void undo_of_ended(const Caller& who) {
    Cell::Mapping& own = mapping_of(who);
    undo(who, own);
    for (Cell::Mapping& other : who.cell.mappings) {
        {
            const InterruptsMasked masked;
            if (!other.range.empty() && !who.cell.find(other.by)) {
                own = {who.fiber.id, std::exchange(other.range, {})};
            }
        }
        undo(who, own);
    }
}

// Takes the pages, in the mapping's name. False: another was quicker.
bool take_all(const Caller& who, Cell::Mapping& mapping, AddressRange wanted) {
    {
        const InterruptsMasked masked;
        mapping = {who.fiber.id, {wanted.base, 0}};
    }
    for (VirtAddr at = wanted.base; at != wanted.end(); at = at + page) {
        const InterruptsMasked masked;
        if (!who.cell.map_pool.take(at)) {
            return false;
        }
        mapping.range.size += page;
    }
    return true;
}

// Zeroed where the kernel touches memory, before the cell can see it. ENOMEM: no room for page tables.
Result<void> map_all(const Caller& who, AddressRange range, Rights rights) {
    for (VirtAddr at = range.base; at != range.end(); at = at + page) {
        const PhysAddr physical = who.cell.map_pool.physical(at);
        __builtin_memset(boot_memory().touch(physical), 0, page);
        const InterruptsMasked masked;
        const int64_t mapped = who.scheduler.on_kernel_stack([&]() -> int64_t {
            return machine().map(at.value(), physical.value(), page, mapped_with(rights));
        });
        if (mapped < 0) {
            return error(Errno::nomem);
        }
    }
    return {};
}

// With its rights a page is the cell's, which may unmap it at once: no longer the mapping's.
void hand_out(const Caller& who, Cell::Mapping& mapping, Rights rights) {
    while (!mapping.range.empty()) {
        const InterruptsMasked masked;
        mapping.range.size -= page;
        who.cell.map_pool.set_rights(mapping.range.end(), rights);
    }
}

Result<uint64_t> map(const Caller& who, uint64_t length, Rights rights) {
    undo_of_ended(who);
    Cell::Mapping& mapping = mapping_of(who);
    for (;;) {
        auto range = who.cell.map_pool.find(length);
        if (!range) {
            return error(range.error());
        }
        if (!take_all(who, mapping, *range)) {
            undo(who, mapping);
            continue;
        }
        if (auto mapped = map_all(who, *range, rights); !mapped) {
            undo(who, mapping);
            return error(mapped.error());
        }
        hand_out(who, mapping, rights);
        return range->base.value();
    }
}

// All of it is looked at before the first page goes. EINVAL, EFAULT.
Result<void> unmap(const Caller& who, AddressRange range) {
    MapPool& pool = who.cell.map_pool;
    if (range.empty() || !range.base.is_aligned(page) || range.size % page != 0) {
        return error(Errno::inval);
    }
    if (auto mine = pool.check(range, right_read); !mine) {
        return mine;
    }
    for (VirtAddr at = range.base; at != range.end(); at = at + page) {
        const InterruptsMasked masked;
        if (!pool.mapped(at)) {
            return error(Errno::fault); // another has taken it back meanwhile
        }
        give_page(who, at);
    }
    return {};
}

// Promise and core.
Result<Caller> begin(Promises needed, const char* call) {
    const InterruptsMasked masked;
    const Caller who = caller();
    if (auto promised = require(who, needed, call); !promised) {
        return error(promised.error());
    }
    if (auto home = require_home(who); !home) {
        return error(home.error());
    }
    return who;
}

} // namespace
} // namespace rumpk

using namespace rumpk;

extern "C" int64_t rumpk_call_map(uint64_t handle, uint64_t offset, uint64_t length, uint64_t rights) {
    const bool code = (rights & RUMPK_RIGHT_EXEC) != 0;
    auto who = begin(code ? promises_to_map_code : promises_of_call[RUMPK_CALL_MAP], "map");
    if (!who) {
        return to_call(who.error());
    }
    auto checked = check_map(handle, offset, rights);
    return checked ? to_call(map(*who, length, *checked)) : to_call(checked.error());
}

extern "C" int64_t rumpk_call_unmap(uint64_t address, uint64_t length) {
    auto who = begin(promises_of_call[RUMPK_CALL_UNMAP], "unmap");
    if (!who) {
        return to_call(who.error());
    }
    auto range = AddressRange::checked(VirtAddr{address}, length);
    return to_call(range ? unmap(*who, *range) : error(Errno::fault));
}
