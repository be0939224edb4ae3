// SPDX-License-Identifier: Apache-2.0
#include "core/cell.h"

#include <algorithm>
#include <new>

#include "core/channels.h"
#include "core/fiber_start.h"
#include "core/memory.h"
#include "core/scheduler.h"
#include "ion/consumer.h"
#include "ion/producer.h"

namespace rumpk {

namespace {

std::span<Cell> all_cells;

constexpr uint64_t page = HAL_PAGE_SIZE;

} // namespace

std::span<Cell> cells() {
    return all_cells;
}

void cells_set(std::span<Cell> all) {
    all_cells = all;
}

Budget& budget_of(const Fiber& fiber) {
    return fiber.cell->budgets.account_of(fiber.account());
}

std::string_view fiber_name(const Fiber& fiber) {
    return {fiber.name, static_cast<size_t>(std::find(fiber.name, std::end(fiber.name), '\0') - fiber.name)};
}

Result<void> Cell::check(AddressRange range, Rights rights) const {
    for (const Region& region : std::span(regions_).first(region_count_)) {
        if (region.range.contains(range)) {
            return region.rights.contains(rights) ? Result<void>{} : error(Errno::fault);
        }
    }
    if (map_pool.covers(range)) {
        return at_home() ? map_pool.check(range, rights) : error(Errno::fault);
    }
    if (!rights.contains(right_execute) && slot_of_pooled_stack(range) != 0) {
        return {};
    }
    return error(Errno::fault);
}

// In whose pooled stack all of it lies. 0: in none.
uint32_t Cell::slot_of_pooled_stack(AddressRange part) const {
    const VirtAddr stacks = main_stack_.end();
    if (part.base >= stacks) {
        const uint64_t slot = (part.base - stacks) / pooled_stack_step() + 1;
        if (slot < fibers_.size() && pooled_stack(static_cast<uint32_t>(slot)).contains(part)) {
            return static_cast<uint32_t>(slot);
        }
    }
    return 0;
}

Result<AddressRange> Cell::reach_apart(uint64_t address, uint64_t size, Rights rights) const {
    auto checked = range(address, size, rights);
    return checked ? reached_apart(*checked) : checked;
}

AddressRange Cell::reached_apart(AddressRange range) const {
    const auto shown = [size = range.size](PhysAddr physical) {
        return AddressRange{VirtAddr{reinterpret_cast<uintptr_t>(boot_memory().touch(physical))}, size};
    };
    for (const Region& region : std::span(regions_).first(region_count_)) {
        if (region.range.contains(range)) {
            return shown(region.physical + (range.base - region.range.base));
        }
    }
    if (map_pool.covers(range)) {
        return shown(map_pool.physical(range.base));
    }
    if (const uint32_t slot = slot_of_pooled_stack(range); slot != 0) {
        return shown(windows_are_memory ? PhysAddr{range.base.value()}
                                        : pooled_stacks_ + uint64_t{slot - 1} * pooled_stack_size_ +
                                              (range.base - pooled_stack(slot).base));
    }
    return {};
}

Result<void> Cell::check_entry(VirtAddr entry) const {
    if (code_.contains(entry)) [[likely]] {
        return {};
    }
    return check(AddressRange{entry, 1}, right_execute);
}

Result<AddressRange> Cell::range(uint64_t address, uint64_t size, Rights rights) const {
    auto checked = AddressRange::checked(VirtAddr{address}, size);
    if (!checked) {
        return error(Errno::fault);
    }
    if (auto allowed = check(*checked, rights); !allowed) {
        return error(allowed.error());
    }
    return checked;
}

void Cell::make_usual(Fiber& fiber) {
    const uint32_t slot = slot_of(fiber);
    console_wait_leave(fiber);
    if (parts::views) {
        leave_channels(fiber, fiber.waits_for);
    }
    if (fiber.account() != 0) {
        budgets.give(fiber.account());
    }
    fiber.budget = 0;
    fiber.watcher = FiberId::none();
    fiber.rx = {};
    fiber.tx = {};
    fiber.core = home_core_;
    fiber.stack = pooled_stack(slot);
    // Where cells are apart, only the stack that the kernel itself uses is watched by it.
    const bool guarded = slot == 0 || stacks_guarded();
    fiber.canary = parts::cells                           ? static_cast<uint64_t*>(call_stack(slot).pointer())
                   : guarded && rights_hold(parts::cells) ? nullptr
                                                          : static_cast<uint64_t*>(fiber.stack.pointer());
    fiber.unusual = slot == 0;
}

[[gnu::noinline]] void Cell::give_fiber(Fiber& fiber) {
    if (fiber.unusual) {
        make_usual(fiber);
        // The first fiber's slot is not used again: its rings are the boot rings, and the console's driver
        // rings it there.
        if (&fiber == fibers_.data()) {
            name_nobody(fiber);
            return;
        }
    }
    give_usual(fiber);
}

// The first comes out first.
void Cell::free_all_slots() {
    free_ = nullptr;
    for (uint32_t slot = fiber_slots(); slot-- > 0;) {
        add_free(fibers_[slot]);
    }
}

// What finds no room is not told.
template <typename Event>
void Cell::post(rumpk_event_tag tag, const Event& event) {
    if (const auto slot = event_->claim()) {
        ::new (slot->payload.data()) Event(event);
        (void)event_->publish(tag, sizeof event); // claimed: cannot fail
    }
}

[[gnu::noinline]] void Cell::post_end(const Fiber& fiber, int64_t code) {
    post(RUMPK_EVENT_FIBER_END, rumpk_event_fiber_end{FiberId{fiber.id}.value(), code});
}

void Cell::fiber_ended(Fiber& fiber, int64_t code) {
    if (!event_->still_full()) {
        post_end(fiber, code);
    }
    if (code < 0 && fiber.watcher != FiberId::none()) [[unlikely]] { // else it has said so itself
        ring_watcher(fiber.watcher);
    }
    give_fiber(fiber);
    if (live_ == 0) {
        cell_end(*this, code);
    }
}

[[gnu::noinline]] void Cell::ring_watcher(FiberId watcher) {
    if (const auto found = find(watcher); found && found->fiber->owned) {
        this_scheduler().ring(*found->fiber, RUMPK_CHANNEL_RX);
    }
}

Result<FiberName> Cell::find(FiberId id) {
    if (id.slot() >= fibers_.size() || id == FiberId::none()) {
        return error(Errno::srch);
    }
    Fiber& fiber = fibers_.data()[id.slot()];
    if (fiber.id != id) {
        return error(Errno::srch);
    }
    return FiberName{&fiber, id};
}

bool Cell::ends_alone() const {
    return parts::views && this != all_cells.data();
}

bool Cell::at_home() const {
    return this_scheduler().is(home_core_);
}

AddressRange Cell::pooled_stack(uint32_t slot) const {
    if (slot == 0) {
        return main_stack_;
    }
    const VirtAddr first = main_stack_.end();
    const uint64_t guard = stacks_guarded() ? page : 0;
    return {first + (slot - 1) * (guard + pooled_stack_size_) + guard, pooled_stack_size_};
}

AddressRange Cell::ring_space(uint32_t slot) const {
    return {ring_area_.base + uint64_t{slot} * ring_bytes_, ring_bytes_};
}

AddressRange Cell::call_stack(uint32_t slot) const {
    return {call_stacks_.base + uint64_t{slot} * call_stack_size, call_stack_size};
}

const Fiber* Cell::guard_owner(VirtAddr address) const {
    for (const Fiber& fiber : fibers_.first(stacks_guarded() ? fibers_.size() : 1)) {
        const AddressRange stack = pooled_stack(slot_of(fiber));
        if (address >= stack.base - page && address < stack.base) {
            return &fiber;
        }
    }
    return nullptr;
}

void Cell::console_bell(uint64_t channels) {
    ++console_bells_;
    while (ConsoleWait* const waiter = console_waiters_.pop_front()) {
        this_scheduler().ring(waiter->fiber(), RUMPK_CHANNEL_CONSOLE);
    }
    if (Fiber& first = first_fiber(); first.owned) {
        this_scheduler().ring(first, channels);
    }
}

void Cell::console_wait_enter(Fiber& fiber) {
    fiber.unusual = true;
    if (fiber.console_seen != console_bells_) {
        fiber.latched |= RUMPK_CHANNEL_CONSOLE;
    }
    console_waiters_.push_back(fiber.console);
}

void Cell::console_wait_leave(Fiber& fiber) {
    fiber.console_seen = console_bells_;
    if (fiber.console.link.linked()) {
        List<ConsoleWait>::remove(fiber.console);
    }
}

// Nobody is at the other ends: input has ended, output is refused.
void Cell::close_console_rings() {
    ion::Producer(reached(boot_rings_[RUMPK_RING_RX]).pointer(), rx_geometry()).close();
    ion::Consumer(reached(boot_rings_[RUMPK_RING_TX]).pointer(), tx_geometry()).close();
}

void Cell::peer_began_anew(uint32_t slot) {
    const uint32_t epoch = ++capabilities[slot].epoch;
    post(RUMPK_EVENT_PEER_EPOCH, rumpk_event_peer_epoch{slot, epoch, 0});
}

} // namespace rumpk
