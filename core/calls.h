// SPDX-License-Identifier: Apache-2.0
// The thirteen entries of the SysTable and what they share.
//
// In a fused image an application calls these functions directly: they mask
// interrupts, keep to the C ABI, use neither the caller's tp nor gp, and run
// what needs depth on the core's kernel stack. abi/call.h says what each does.
#pragma once

#include "abi/call.h"
#include "core/cell.h"
#include "core/copy.h"
#include "core/fiber.h"
#include "core/promises.h"
#include "core/result.h"

namespace rumpk {

class Scheduler;

// Who is calling. Masked; valid until the fiber gives up the core.
struct Caller {
    Scheduler& scheduler;
    Fiber& fiber;
    Cell& cell;
};
[[nodiscard]] Caller caller();

// Masked, by a fiber. Between two parts of what would be long: whatever is pending is taken.
inline void breathe() {
    machine().interrupts_restore(1);
    (void)machine().interrupts_mask();
}

// pledge, unveil, read, write, map and unmap belong to the cell's home core: EPERM elsewhere.
[[nodiscard]] Result<void> require_home(const Caller& who);

// Has the caller promised this? If not it has broken its pledge: with the promise
// `error` the answer is ENOSYS; without it the fiber ends here and a line says
// what it tried. Masked, on the fiber's own stack.
[[nodiscard]] Result<void> broke_pledge(const Caller& who, const char* call);
[[nodiscard, gnu::always_inline]] inline Result<void> require(const Caller& who, Promises needed,
                                                              const char* call) {
    return Promises{who.cell.promises}.contains(needed) ? Result<void>{} : broke_pledge(who, call);
}

// A cell's new fiber, made and given to its core, as another core asked. Masked, on the home core; with a
// stack of some depth. Returns what the call does; EAGAIN: its core has no room for the message.
[[nodiscard]] int64_t spawn_asked(const Requester& by, const rumpk_spawn_args& args);

// parts::managers. Each cell that the image lets another manage is a capability of that one's. Boot only.
void grant_cells(const BootTable& table);
// In a slot of the cell's; nullptr: there is none.
[[nodiscard]] Cell* managed_at(const Cell& cell, uint64_t slot);
// A slot as calls name it: the cell's, or that of a cell that it manages (RUMPK_THEIR_SLOT). EBADF: there is
// no such cell, or slot.
struct CellSlot {
    Cell* cell;
    uint64_t slot;
};
[[nodiscard]] Result<CellSlot> their_slot(const Cell& cell, uint64_t number);
[[nodiscard]] inline Result<CellSlot> slot_by(Cell& cell, uint64_t number) {
    if (number < RUMPK_CAP_SLOTS) {
        return CellSlot{&cell, number};
    }
    return parts::managers ? their_slot(cell, number) : error(Errno::badf);
}
// Masked. As the calls, of a cell in that slot, or of what a cell has in that one.
[[nodiscard]] int64_t kill_cell(const Caller& who, uint64_t slot, uint64_t reason);
[[nodiscard]] int64_t spawn_cell(const Caller& who, const rumpk_spawn_args& args);

// What meta and a report say of a core, and of a fiber that runs here or elsewhere. Masked.
[[nodiscard]] rumpk_meta_system describe_system(const Scheduler& here);
[[nodiscard]] rumpk_meta_fiber describe_fiber(const Fiber& fiber);

// Copies an argument struct in, once. EFAULT.
template <typename T>
[[nodiscard]] Result<void> copy_in(const Cell& cell, uint64_t address, T& copy) {
    auto range = cell.reach(address, sizeof(T), right_read);
    if (!range) {
        return error(range.error());
    }
    copy_bytes(&copy, range->pointer(), sizeof(T));
    return {};
}

} // namespace rumpk

// The C shapes, in the SysTable's order.
extern "C" {
int64_t rumpk_call_pledge(uint64_t promises);
int64_t rumpk_call_unveil(uint64_t path, uint64_t length, uint64_t rights);
int64_t rumpk_call_read(uint64_t descriptor, uint64_t buffer, uint64_t length);
int64_t rumpk_call_write(uint64_t descriptor, uint64_t buffer, uint64_t length);
int64_t rumpk_call_map(uint64_t handle, uint64_t offset, uint64_t length, uint64_t rights);
int64_t rumpk_call_unmap(uint64_t address, uint64_t length);
int64_t rumpk_call_spawn(uint64_t args);
int64_t rumpk_call_kill(uint64_t id, uint64_t reason);
int64_t rumpk_call_yield(uint64_t wait, uint64_t bell, uint64_t deadline, uint64_t flags, uint64_t peers,
                         uint64_t count);
int64_t rumpk_call_time(uint64_t clock);
int64_t rumpk_call_random(uint64_t buffer, uint64_t length);
int64_t rumpk_call_halt(uint64_t code, uint64_t scope);
int64_t rumpk_call_meta(uint64_t op, uint64_t buffer, uint64_t length, uint64_t index);
}
