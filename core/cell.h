// SPDX-License-Identifier: Apache-2.0
// A cell: a program in its window, with its memory, fibers, rings and rights.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>

#include "abi/image.h"
#include "abi/ring.h"
#include "core/boot_table.h"
#include "core/budget.h"
#include "core/elf.h"
#include "core/fiber.h"
#include "core/machine.h"
#include "core/mailbox.h"
#include "core/map_pool.h"
#include "core/parts.h"
#include "core/promises.h"
#include "core/unveil.h"
#include "ion/ring.h"

namespace rumpk {

class Supervisor;

struct Capability {
    uint32_t kind = RUMPK_CAP_NONE; // rumpk_cap_kind
    Rights rights{};
    uint32_t epoch = 0;
    uint64_t object = 0;
};

class Cell {
  public:
    static constexpr uint32_t console_slot = 2;
    static constexpr uint32_t machine_slot = 3;

    // The boot rings' geometry is common to all cells; abi/systable.h shows it.
    [[nodiscard]] static constexpr ion::Geometry rx_geometry() { return ion::Geometry::of(64, 1024); }
    [[nodiscard]] static constexpr ion::Geometry tx_geometry() { return ion::Geometry::of(64, 1024); }
    [[nodiscard]] static constexpr ion::Geometry event_geometry() { return ion::Geometry::of(64, 48); }

    // Boot only. Takes memory, loads the program, maps everything, makes the first
    // fiber and gives it to the scheduler. What cannot be done ends the boot with a line.
    void prepare(const BootCell& description, bool has_console);

    [[nodiscard]] std::string_view name() const { return name_; }
    [[nodiscard]] CellId id() const { return id_; }
    [[nodiscard]] Tier home_tier() const { return home_tier_; }
    [[nodiscard]] Tier tier_ceiling() const { return tier_ceiling_; }
    [[nodiscard]] CoreId home_core() const { return home_core_; }
    [[nodiscard]] uint64_t core_set() const { return core_set_; }
    [[nodiscard]] AddressRange window() const { return window_; }
    [[nodiscard]] AddressRange heap() const { return heap_; }
    // Is there a first cell, with which the image ends, and this is another? It ends alone.
    [[nodiscard]] bool ends_alone() const;
    // Are standard input and output of the image its own?
    [[nodiscard]] bool has_console() const {
        return !parts::views || capabilities[console_slot].kind == RUMPK_CAP_CONSOLE;
    }
    // Masked. Of a capability, by who manages it: a slot that held one may be empty now.
    [[nodiscard]] bool deprived() const { return parts::managers && deprived_; }
    void deprive() { deprived_ = true; }
    // Masked, on the home core. It has ended, and not all of its fibers have been forgotten yet: none of them
    // is given the core. Begun by its supervisor, with Scheduler::cell_stops().
    [[nodiscard]] bool stopping() const { return parts::supervisors() && stopping_; }
    void stop() { stopping_ = true; }
    // As user privilege is given it.
    [[nodiscard]] uint64_t view() const { return parts::views ? view_ : 0; }
    [[nodiscard]] uint32_t fiber_slots() const { return static_cast<uint32_t>(fibers_.size()); }
    [[nodiscard]] Fiber& first_fiber() { return *fibers_.data(); } // there always is one
    // Virtual; empty for a ring that this image does not have.
    [[nodiscard]] AddressRange boot_ring(rumpk_boot_ring which) const { return boot_rings_[which]; }
    // As cells are told.
    [[nodiscard]] rumpk_ring_descriptor describe_boot_ring(rumpk_boot_ring which) const {
        const ion::Geometry geometry = which == RUMPK_RING_EVENT ? event_geometry()
                                       : which == RUMPK_RING_TX  ? tx_geometry()
                                                                 : rx_geometry();
        return {boot_rings_[which].base.value(), geometry.slots(), geometry.slot_size()};
    }

    // Masked. Is this the core that keeps the cell's books?
    [[nodiscard]] bool at_home() const;

    // What the kernel checks at each call. Changed on the home core alone.
    Shared<Promises> promises{Promises::all()};

    // May the cell's code touch all of the range so? EFAULT: not. What `map` gave is
    // known on the home core only.
    [[nodiscard]] Result<void> check(AddressRange range, Rights rights) const;
    // Is it in the part that the cell runs nearly all of?
    [[nodiscard]] bool runs(VirtAddr entry) const { return code_.contains(entry); }
    // EFAULT: not a place the cell may run.
    [[nodiscard]] Result<void> check_entry(VirtAddr entry) const;
    // Numbers of a call into a range that was checked. EFAULT.
    [[nodiscard]] Result<AddressRange> range(uint64_t address, uint64_t size, Rights rights) const;
    // The same as the kernel touches it.
    [[nodiscard]] Result<AddressRange> reach(uint64_t address, uint64_t size, Rights rights) const {
        return parts::cells ? reach_apart(address, size, rights) : range(address, size, rights);
    }
    // Where the kernel touches a range of the cell's memory. It does so at the cell's own addresses only
    // while both have the same privilege. Empty: not one piece of memory that boot gave it.
    [[nodiscard]] AddressRange reached(AddressRange range) const {
        return parts::cells ? reached_apart(range) : range;
    }

    // Masked, on the home core. A usual control block without an id; nullptr: all are in use. O(1).
    [[nodiscard]] Fiber* take_fiber() {
        Fiber* const fiber = free_;
        if (fiber != nullptr) {
            free_ = fiber->next_free;
            ++live_;
        }
        return fiber;
    }
    // Its slot, whoever has it.
    [[nodiscard]] uint32_t slot_of(const Fiber& fiber) const {
        return static_cast<uint32_t>(&fiber - fibers_.data());
    }
    // Masked, on the home core. From here on the id can be found. Who it is and where it runs is settled.
    static void name_fiber(Fiber& fiber) {
        fiber.id = fiber.next_id;
        fiber.next_id = fiber.next_id.successor();
    }
    // Masked, on the home core. Gives a control block back: its id names nobody any more. O(1).
    void give_fiber(Fiber& fiber);
    // Masked, any core. ESRCH: nobody, or ended. Who runs on another core may end
    // at any moment, and whoever is sent there finds out.
    [[nodiscard]] Result<FiberName> find(FiberId id);
    // Masked, on the home core. A fiber has ended and nothing touches it any more.
    void fiber_ended(Fiber& fiber, int64_t code);
    // Is nothing to be done for such a fiber, which has returned, but give_usual()? Most cells do not read
    // their events.
    [[nodiscard]] bool ends_quietly(const Fiber& fiber) const {
        return !fiber.unusual && event_->still_full();
    }
    // Masked, on the home core. As give_fiber().
    void give_usual(Fiber& fiber) {
        name_nobody(fiber);
        add_free(fiber);
    }
    [[nodiscard]] uint32_t live_fibers() const { return live_; }
    [[nodiscard]] std::span<Fiber> fibers() { return fibers_; }

    // Bytes of a pooled stack. Of a page: above an unmapped one. Less: with a canary.
    [[nodiscard]] uint32_t pooled_stack_size() const { return pooled_stack_size_; }
    [[nodiscard]] bool stacks_guarded() const { return pooled_stack_size_ == HAL_PAGE_SIZE; }
    // Does the processor hold the cell to its rights? At kernel privilege not where nothing translates
    // addresses: a guard page is memory like all other there, and every stack has a canary.
    static constexpr bool rights_hold(bool apart) { return apart || !windows_are_memory; }
    // From one pooled stack to the next.
    [[nodiscard]] uint64_t pooled_stack_step() const {
        return stacks_guarded() ? 2 * HAL_PAGE_SIZE : pooled_stack_size_;
    }
    // Where a slot's pooled stack and rings are: pure functions of the slot.
    [[nodiscard]] AddressRange pooled_stack(uint32_t slot) const;
    [[nodiscard]] AddressRange ring_space(uint32_t slot) const;
    // The kernel's own, on which a slot's calls run where cells are apart.
    [[nodiscard]] AddressRange call_stack(uint32_t slot) const;
    static constexpr uint32_t call_stack_size = 1024; // the deepest needs 640: docs/decisions/cells.md
    // The guard page below whose stack? nullptr: the address is in no guard page.
    [[nodiscard]] const Fiber* guard_owner(VirtAddr address) const;

    // Masked. The console published to rx or released from tx: RUMPK_CHANNEL_RX, _TX.
    void console_bell(uint64_t channels);
    // Masked. The running fiber waits for the console among others: a bell since
    // it last looked is latched at once, later ones are until it leaves.
    void console_wait_enter(Fiber& fiber);
    void console_wait_leave(Fiber& fiber);

    // Masked, on the home core. The other end of this channel, a slot of the cell's, has begun anew: the
    // slot's epoch moves, and the event ring says so, if it has room.
    void peer_began_anew(uint32_t slot);

    // Whom to tell when the cell ends. nullptr: with it the machine ends.
    [[nodiscard]] Supervisor* supervisor() const;

    // The supervisor's, one after the other (cell_restart.cpp). Each may be interrupted.
    // No fiber of the cell is left; nobody is told.
    void forget_fibers();
    // Memory, rights and books are as at the cell's beginning.
    void restore(const BootCell& description);
    // Masked. Its first fiber is ready: it begins anew, or has waited for that. `budget` as in the
    // description.
    void begin_again(uint32_t budget) { make_first_fiber(budget); }

  private:
    struct Region {
        AddressRange range;
        Rights rights;
        PhysAddr physical;
    };

    [[nodiscard]] Result<AddressRange> reach_apart(uint64_t address, uint64_t size, Rights rights) const;
    [[nodiscard]] AddressRange reached_apart(AddressRange range) const;
    void load(const BootCell& description);
    void load_segment(const ElfSegment& segment, std::span<const std::byte> file, std::byte* memory);
    void map_stacks(uint32_t main_stack);
    void map_rings(uint32_t fiber_rings);
    void make_boot_ring(rumpk_boot_ring which, ion::Geometry geometry, VirtAddr& next);
    void close_console_rings();
    void prepare_budgets(std::span<const rumpk_meta_budget> described);
    void make_first_fiber(uint32_t budget);
    template <typename Event>
    void post(rumpk_event_tag tag, const Event& event);
    void post_end(const Fiber& fiber, int64_t code);
    void ring_watcher(FiberId watcher);
    // What a spawn with nothing more to ask for finds: a control block that runs at home on its pooled stack,
    // without budget, rings, watcher, or anything that it waits for.
    void make_usual(Fiber& fiber);
    void name_nobody(Fiber& fiber) {
        fiber.id = FiberId::none();
        --live_;
    }
    void add_free(Fiber& fiber) {
        fiber.next_free = free_;
        free_ = &fiber;
    }
    void free_all_slots();
    [[nodiscard]] uint32_t slot_of_pooled_stack(AddressRange part) const;
    // What the cell's view shows of the window from `offset` on, so that it holds all up to `end`. Where
    // windows are memory its size is a power of two, if no more than `room`: the processor has few regions,
    // and others take two of them. What is shown besides is the cell's, and nothing else's.
    [[nodiscard]] AddressRange shown_area(uint64_t offset, VirtAddr end, uint64_t room) const;
    [[nodiscard]] AddressRange stack_area() const;
    [[nodiscard]] AddressRange fiber_ring_area() const;
    [[nodiscard]] AddressRange boot_ring_area() const;
    void check_window() const;
    void scrub_behind(VirtAddr end, AddressRange area);
    void add_region(AddressRange range, PhysAddr physical, Rights rights);
    void prepare_call_stacks();
    void prepare_fibers();
    void restore_books();
    void give_back_maps();
    void scrub(AddressRange range);
    void reload(const BootCell& description);

    std::string_view name_;
    CellId id_{};
    uint64_t view_ = 0;
    AddressRange window_{};
    Tier home_tier_ = Tier::gravity;
    Tier tier_ceiling_ = Tier::gravity;
    bool deprived_ = false;
    bool stopping_ = false;
    CoreId home_core_{};
    uint64_t core_set_ = 0;
    VirtAddr entry_{};
    AddressRange heap_{};
    AddressRange main_stack_{};
    uint32_t pooled_stack_size_ = HAL_PAGE_SIZE;
    PhysAddr pooled_stacks_{};   // the second slot's and on, without guards
    AddressRange call_stacks_{}; // all of them
    AddressRange ring_area_{};
    uint32_t ring_bytes_ = 0; // a slot's
    std::array<AddressRange, RUMPK_RING_COUNT> boot_rings_{};

    // Memory the cell may touch, but for pooled stacks and what `map` gave: few and large.
    std::array<Region, 16> regions_{};
    uint32_t region_count_ = 0;
    AddressRange code_{}; // of those that may be run, the first: where nearly all entries are

    std::span<Fiber> fibers_;
    Fiber* free_ = nullptr; // a list of free ones; who came last goes first
    uint32_t live_ = 0;

    // Bells of the console so far, and who waits for the next one. The counter is
    // why none is lost between a fiber's last look at a ring and its wait.
    uint64_t console_bells_ = 0;
    List<ConsoleWait> console_waiters_;

    std::optional<ion::Producer> event_;

  public:
    // What the kernel checks at each call, too. Large, and so behind all that is often looked at: what stands
    // near the beginning of an object has short instructions.
    UnveilTable unveil;
    std::array<Capability, RUMPK_CAP_SLOTS> capabilities{};
    MapPool map_pool;
    // What a fiber of each tier is mapping just now: one at most, for inside a tier none
    // is interrupted in favour of another. Touched masked.
    struct Mapping {
        FiberId by{};
        AddressRange range{};
    };
    std::array<Mapping, RUMPK_TIER_COUNT> mappings{};
    Budgets budgets;
};

// HAL_MAP_*: how the HAL maps what a cell has these rights to.
[[nodiscard]] inline uint32_t mapped_with(Rights rights) {
    static_assert(RUMPK_RIGHT_READ == HAL_MAP_READ && RUMPK_RIGHT_WRITE == HAL_MAP_WRITE &&
                  RUMPK_RIGHT_EXEC == HAL_MAP_EXEC);
    return rights.bits() | (parts::cells ? HAL_MAP_USER : 0);
}

// Of a cell in that window. nullptr: none, as in every kernel in which none could be of use.
[[nodiscard]] Supervisor* supervisor_of(CellId cell);

inline Supervisor* Cell::supervisor() const {
    return parts::supervisors() ? supervisor_of(id_) : nullptr;
}

// For lines that people read.
[[nodiscard]] std::string_view fiber_name(const Fiber& fiber);

// The cells of this image.
[[nodiscard]] std::span<Cell> cells();
void cells_set(std::span<Cell> all);

} // namespace rumpk
