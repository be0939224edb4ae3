// SPDX-License-Identifier: Apache-2.0
// What a cell that begins anew is made of: the same memory, as it was at its first beginning. By its
// supervisor, a page or a fiber at a time: whoever is of a higher tier comes in between, and so, between two
// pages, do others of the same. None of this is in a kernel without the part `restart`. Memory is touched
// where the kernel has it, in a fused image as well: what a sanitizer knows of a stack it knows by the cell's
// address.
#include <algorithm>

#include "core/cell.h"
#include "core/devices.h"
#include "core/memory.h"
#include "core/scheduler.h"

namespace rumpk {

namespace {

constexpr uint64_t page = HAL_PAGE_SIZE;

void let_others_run() {
    const InterruptsMasked masked;
    this_scheduler().yield();
}

} // namespace

// Whoever had ended when the cell did is known to the scheduler no more, but still has its name.
void Cell::forget_fibers() {
    for (Fiber& fiber : fibers_) {
        if (fiber.id == FiberId::none()) {
            continue;
        }
        {
            const InterruptsMasked masked;
            fiber.owned = false;
            if (fiber.state != FiberState::free) {
                this_scheduler().forget(fiber);
            }
        }
        {
            const InterruptsMasked masked;
            if (fiber.id != FiberId::none()) { // else another core's kill has come in between
                give_fiber(fiber);
            }
        }
        let_others_run();
    }
    ensure(live_ == 0);
    const InterruptsMasked masked;
    stopping_ = false;
    if (std::ranges::none_of(cells(), &Cell::stopping)) {
        this_scheduler().cells_have_stopped();
    }
}

void Cell::restore(const BootCell& description) {
    restore_books();
    give_back_maps();
    reload(description);
    scrub(heap_);
    scrub(main_stack_);
    for (uint32_t slot = 1; slot < fibers_.size(); ++slot) {
        scrub(pooled_stack(slot));
        if (windows_are_memory && stacks_guarded()) {
            // Memory of the cell's, kept from a fiber only while that runs on the stack above.
            __builtin_memset(AddressRange{pooled_stack(slot).base - page, page}.pointer(), 0, page);
            let_others_run();
        }
    }
    scrub(ring_area_);
    if (windows_are_memory) {
        scrub({stack_area().base, page});
        scrub_behind(main_stack_.end() + (fibers_.size() - 1) * pooled_stack_step(), stack_area());
        scrub_behind(ring_area_.end(), fiber_ring_area());
        scrub_behind(boot_rings_[RUMPK_RING_EVENT].end(), boot_ring_area());
    }
    if (parts::views) {
        renew_devices_of(*this);
    }
    VirtAddr event = boot_rings_[RUMPK_RING_EVENT].base;
    make_boot_ring(RUMPK_RING_EVENT, event_geometry(), event);
    event_.emplace(reached(boot_rings_[RUMPK_RING_EVENT]).pointer(), event_geometry());
    if (!has_console()) {
        VirtAddr next = boot_rings_[RUMPK_RING_RX].base;
        make_boot_ring(RUMPK_RING_RX, rx_geometry(), next);
        make_boot_ring(RUMPK_RING_TX, tx_geometry(), next);
        close_console_rings();
    }
}

// No fiber lives that could look. Ids go on: those of an earlier life name nobody.
void Cell::restore_books() {
    promises = Promises::all();
    unveil.reset();
    budgets.reset();
    for (Capability& granted : capabilities) {
        granted.epoch += granted.kind != RUMPK_CAP_NONE ? 1 : 0;
    }
    free_all_slots();
}

// Zeroed when they are given out again.
void Cell::give_back_maps() {
    mappings = {};
    const AddressRange area = map_pool.area();
    for (VirtAddr at = area.base; at != area.end(); at = at + page) {
        const InterruptsMasked masked;
        if (map_pool.taken(at)) {
            // One that was taken may not have been mapped yet.
            (void)this_scheduler().on_kernel_stack(
                [&]() -> int64_t { return machine().unmap(at.value(), page); });
            map_pool.give(at);
        }
    }
}

// What no book of the cell's knows of, but its view shows.
void Cell::scrub_behind(VirtAddr end, AddressRange area) {
    scrub({end, area.end() - end});
}

void Cell::scrub(AddressRange range) {
    while (!range.empty()) {
        const AddressRange piece{range.base, std::min(range.size, page)};
        __builtin_memset((windows_are_memory ? piece : reached_apart(piece)).pointer(), 0, piece.size);
        range = {piece.end(), range.size - piece.size};
        let_others_run();
    }
}

// What the cell cannot write is as it was, where rights hold.
void Cell::reload(const BootCell& description) {
    const ElfLimits limits{static_cast<uint16_t>(machine().boot->elf_machine),
                           {window_.base, RUMPK_WINDOW_MAP},
                           description.memory};
    const auto program = ElfProgram::read(description.elf, limits);
    ensure(program.has_value()); // it was when the cell began
    for (const ElfSegment& segment : program->segments()) {
        if (rights_hold(parts::cells) && !segment.rights.contains(right_write)) {
            continue;
        }
        // Whole pages are mapped, and what the program's own bytes leave of the first and the last is the
        // cell's.
        const AddressRange first = reached_apart({segment.memory.base, 1});
        auto* const memory = static_cast<std::byte*>(first.pointer());
        const uint64_t before = segment.memory.base.value() % page;
        const uint64_t end = align_up(before + segment.memory.size, page);
        for (uint64_t at = 0; at != end; at += page) {
            __builtin_memset(memory - before + at, 0, page);
            const uint64_t from = std::max(at, before);
            const uint64_t to = std::min(at + page, before + segment.file_size);
            if (from < to) {
                std::copy_n(description.elf.data() + segment.file_offset + (from - before), to - from,
                            memory - before + from);
            }
            let_others_run();
        }
        if (!rights_hold(parts::cells) && segment.rights.contains(right_execute)) {
            machine().code_written(segment.memory.base.value(), segment.memory.size);
        }
    }
}

} // namespace rumpk
