// SPDX-License-Identifier: Apache-2.0
// Making a cell at boot: memory, program, stacks, rings, first fiber.
#include <algorithm>
#include <bit>

#include "core/boot_cores.h"
#include "core/cell.h"
#include "core/fiber_start.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/scheduler.h"
#include "core/system.h"

namespace rumpk {

namespace {

constexpr uint64_t page = HAL_PAGE_SIZE;
constexpr uint64_t large_page = 2U << 20; // frames aligned so let the HAL use fewer, larger entries

[[noreturn]] void refuse(std::string_view cell, const char* what) {
    stop_boot("cell %.*s: %s", RUMPK_TEXT(cell), what);
}

} // namespace

void Cell::add_region(AddressRange range, PhysAddr physical, Rights rights) {
    ensure(region_count_ < regions_.size());
    regions_[region_count_++] = {range, rights, parts::cells || parts::restart ? physical : PhysAddr{}};
}

// Memory that will be behind a part of the window.
static PhysAddr take_for(VirtAddr place, uint64_t bytes, std::string_view what, uint64_t alignment = page) {
    return windows_are_memory ? PhysAddr{place.value()} : boot_memory().take_pages(bytes, what, alignment);
}

// Physical memory behind a part of the window, for good.
static void map_or_stop(std::string_view cell, AddressRange range, PhysAddr physical, Rights rights) {
    if (range.empty()) {
        return;
    }
    if (machine().map(range.base.value(), physical.value(), range.size, mapped_with(rights)) < 0) {
        refuse(cell, "its window cannot be mapped");
    }
}

// The frames were not zeroed: what a person could read of a former run in a
// program's zeroed data is overwritten here, what lies above it when it is used
// (a heap gives no promise of zeroes).
void Cell::load_segment(const ElfSegment& segment, std::span<const std::byte> file, std::byte* memory) {
    std::byte* const at = memory + (segment.memory.base - window_.base);
    std::copy_n(file.data() + segment.file_offset, segment.file_size, at);
    const uint64_t file_end = segment.memory.base.value() + segment.file_size;
    __builtin_memset(at + segment.file_size, 0, align_up(segment.memory.end().value(), page) - file_end);
    const uint64_t before = segment.memory.base.value() % page;
    __builtin_memset(at - before, 0, before);
}

void Cell::load(const BootCell& description) {
    const ElfLimits limits{static_cast<uint16_t>(machine().boot->elf_machine),
                           {window_.base, RUMPK_WINDOW_MAP},
                           description.memory};
    const auto program = ElfProgram::read(description.elf, limits);
    if (!program) {
        refuse(name_, describe(program.error()));
    }
    entry_ = program->entry();
    const PhysAddr physical = take_for(window_.base, description.memory, name_, large_page);
    std::byte* const memory = boot_memory().touch(physical);
    for (const ElfSegment& segment : program->segments()) {
        load_segment(segment, description.elf, memory);
        const VirtAddr start{align_down(segment.memory.base.value(), page)};
        const VirtAddr end{align_up(segment.memory.end().value(), page)};
        map_or_stop(name_, {start, end - start}, physical + (start - window_.base), segment.rights);
        add_region(segment.memory, physical + (segment.memory.base - window_.base), segment.rights);
        if (segment.rights.contains(right_execute)) {
            code_ = code_.empty() ? segment.memory : code_;
            // Where it is run nothing shows in this map, if each cell has a view of its own.
            const auto written =
                parts::views ? reinterpret_cast<uintptr_t>(memory) + (start - window_.base) : start.value();
            machine().code_written(written, end - start);
        }
    }
    heap_ = {program->end(), window_.base + description.memory - program->end()};
    map_or_stop(name_, heap_, physical + (heap_.base - window_.base), right_read | right_write);
    add_region(heap_, physical + (heap_.base - window_.base), right_read | right_write);
}

void Cell::map_stacks(uint32_t main_stack) {
    main_stack_ = {window_.base + RUMPK_WINDOW_STACKS + page, main_stack};
    const uint64_t pooled = fibers_.size() - 1;
    const PhysAddr physical =
        take_for(main_stack_.base, align_up(main_stack + pooled * pooled_stack_size_, page), "fiber stacks");
    // Where windows are memory guard pages lie among the stacks, and whose program runs may not touch its
    // own.
    const AddressRange shown = windows_are_memory ? stack_area() : main_stack_;
    map_or_stop(name_, shown, windows_are_memory ? PhysAddr{shown.base.value()} : physical,
                right_read | right_write);
    add_region(main_stack_, physical, right_read | right_write);
    pooled_stacks_ = physical + main_stack;
    if (windows_are_memory) {
        return;
    }
    if (!stacks_guarded()) {
        const AddressRange all{main_stack_.end(), align_up(pooled * pooled_stack_size_, page)};
        map_or_stop(name_, all, physical + main_stack, right_read | right_write);
        return;
    }
    for (uint32_t slot = 1; slot <= pooled; ++slot) {
        map_or_stop(name_, pooled_stack(slot), physical + main_stack + uint64_t{slot - 1} * page,
                    right_read | right_write);
    }
}

// Every boot ring begins a page, so that views can be granted ring by ring.
static constexpr uint64_t ring_pages(ion::Geometry geometry) {
    return align_up(geometry.bytes(), page);
}

static constexpr uint64_t boot_ring_bytes =
    ring_pages(Cell::rx_geometry()) + ring_pages(Cell::tx_geometry()) + ring_pages(Cell::event_geometry());

AddressRange Cell::shown_area(uint64_t offset, VirtAddr end, uint64_t room) const {
    const VirtAddr begin = window_.base + offset;
    const uint64_t size = end - begin;
    if constexpr (windows_are_memory) {
        const uint64_t rounded = std::bit_ceil(size);
        if (size != 0 && rounded <= room) {
            return {begin, rounded};
        }
    }
    return {begin, size};
}

AddressRange Cell::stack_area() const {
    const VirtAddr end = main_stack_.end() + align_up((fibers_.size() - 1) * pooled_stack_step(), page);
    return shown_area(RUMPK_WINDOW_STACKS, end, RUMPK_WINDOW_RINGS - RUMPK_WINDOW_STACKS);
}

AddressRange Cell::fiber_ring_area() const {
    return shown_area(RUMPK_WINDOW_RINGS, ring_area_.end(),
                      (RUMPK_WINDOW_BOOT_RINGS - RUMPK_WINDOW_RINGS) / 2);
}

AddressRange Cell::boot_ring_area() const {
    return shown_area(RUMPK_WINDOW_BOOT_RINGS, window_.base + RUMPK_WINDOW_BOOT_RINGS + boot_ring_bytes,
                      RUMPK_WINDOW_CHANNELS - RUMPK_WINDOW_BOOT_RINGS);
}

void Cell::map_rings(uint32_t fiber_rings) {
    ring_bytes_ = fiber_rings;
    ring_area_ = {window_.base + RUMPK_WINDOW_RINGS, uint64_t{fiber_rings} * fibers_.size()};
    if (!ring_area_.empty()) {
        const PhysAddr physical = take_for(ring_area_.base, ring_area_.size, "fiber rings");
        map_or_stop(name_, fiber_ring_area(), physical, right_read | right_write);
        add_region(ring_area_, physical, right_read | right_write);
    }
    VirtAddr next = window_.base + RUMPK_WINDOW_BOOT_RINGS;
    const PhysAddr physical = take_for(next, boot_ring_bytes, "boot rings");
    map_or_stop(name_, boot_ring_area(), physical, right_read | right_write);
    add_region({next, boot_ring_bytes}, physical, right_read | right_write);
    make_boot_ring(RUMPK_RING_RX, rx_geometry(), next);
    make_boot_ring(RUMPK_RING_TX, tx_geometry(), next);
    make_boot_ring(RUMPK_RING_EVENT, event_geometry(), next);
    event_.emplace(reached(boot_rings_[RUMPK_RING_EVENT]).pointer(), event_geometry());
    if (!has_console()) {
        close_console_rings();
    }
}

void Cell::make_boot_ring(rumpk_boot_ring which, ion::Geometry geometry, VirtAddr& next) {
    boot_rings_[which] = {next, geometry.bytes()};
    auto* const memory = static_cast<std::byte*>(reached(boot_rings_[which]).pointer());
    ensure(ion::format({memory, geometry.bytes()}, geometry).has_value());
    next = next + ring_pages(geometry);
}

void Cell::prepare_call_stacks() {
    if (parts::cells) {
        call_stacks_ = kernel_stack(uint64_t{call_stack_size} * fibers_.size(), "call stacks");
    }
}

void Cell::prepare_fibers() {
    for (uint32_t slot = 0; slot < fibers_.size(); ++slot) {
        Fiber& fiber = fibers_[slot];
        fiber.next_id = FiberId{slot, FiberId::first_generation};
        fiber.cell = this;
        make_usual(fiber);
    }
    free_all_slots();
}

void Cell::prepare_budgets(std::span<const rumpk_meta_budget> described) {
    uint64_t fibers = 0;
    for (const rumpk_meta_budget& budget : described) {
        fibers += budget.fibers;
    }
    if (fibers != 0) {
        budgets.prepare(described, boot_memory().take_objects<Budget>(fibers, "budgets"));
    }
}

void Cell::make_first_fiber(uint32_t budget) {
    Fiber& first = *take_fiber();
    if (budget != 0) {
        first.budget = *budgets.take(budget, false, Instant{});
        first.unusual = true;
    }
    first.begin_anew();
    first.tier = home_tier_;
    first.entry = reinterpret_cast<rumpk_entry>(static_cast<uintptr_t>(entry_.value()));
    // The cell's name: a program finds its own name there.
    std::ranges::copy(name_.substr(0, sizeof(first.name)), first.name);
    fiber_prepare(first);
    name_fiber(first);
    this_scheduler().begin(first);
}

// Where windows are memory: does it reach so far? No program has the rights that are asked for, so nothing
// changes.
void Cell::check_window() const {
    if constexpr (windows_are_memory) {
        const uint64_t last_page = window_.end().value() - page;
        if (machine().map(last_page, last_page, page, HAL_MAP_READ) < 0) {
            refuse(name_, "there is no memory where its window is; give the machine more (--memory)");
        }
    }
}

void Cell::prepare(const BootCell& description, bool has_console) {
    name_ = description.name;
    id_ = description.window;
    window_ = {VirtAddr{RUMPK_WINDOW_A + uint64_t{id_.value()} * RUMPK_WINDOW_SIZE}, RUMPK_WINDOW_SIZE};
    home_tier_ = description.home_tier;
    tier_ceiling_ = description.tier_ceiling;
    home_core_ = CoreId{machine().boot->boot_core};
    core_set_ = first_cores(description.cores);
    pooled_stack_size_ = description.fiber_stack;
    if (!parts::views || has_console) {
        capabilities[console_slot] = {RUMPK_CAP_CONSOLE, right_read | right_write, 1, 0};
    }
    if (!ends_alone()) {
        capabilities[machine_slot] = {RUMPK_CAP_MACHINE, right_write, 1, 0};
    }
    if (parts::cells && parts::views &&
        machine().views->make(id_.value(), boot_options().untagged_views ? 0 : 1, &view_) < 0) {
        refuse(name_, "there is no memory for its view");
    }

    check_window();

    load(description);
    fibers_ = boot_memory().take_objects<Fiber>(description.fibers, "fibers");
    map_stacks(description.main_stack);
    prepare_call_stacks();
    prepare_fibers();
    map_rings(description.fiber_rings);

    const AddressRange area{window_.base + RUMPK_WINDOW_MAP, description.map_memory};
    if (!area.empty()) {
        const PhysAddr physical = take_for(area.base, area.size, "map");
        map_pool.prepare(area, physical, boot_memory().take_objects<uint8_t>(area.size / page, "map"));
        // So that map, which is masked for a page, need not make tables. Without room for them it says so
        // then.
        for (uint64_t at = 0; at < area.size; at += machine().boot->table_span) {
            if (machine().map((area.base + at).value(), (physical + at).value(), page, HAL_MAP_READ) == 0) {
                (void)machine().unmap((area.base + at).value(), page);
            }
        }
    }
    prepare_budgets(description.budgets);
    if (!parts::managers || !description.waits) {
        make_first_fiber(description.first_budget);
    }
}

} // namespace rumpk
