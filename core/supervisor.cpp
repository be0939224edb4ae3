// SPDX-License-Identifier: Apache-2.0
#include "core/supervisor.h"

#include <algorithm>
#include <array>

#include "abi/console.h"
#include "core/boot_cores.h"
#include "core/cell.h"
#include "core/channels.h"
#include "core/console.h"
#include "core/fiber_start.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/panic.h"
#include "core/remote.h"
#include "core/scheduler.h"

namespace rumpk {

namespace {

std::array<Supervisor*, RUMPK_WINDOW_COUNT> supervisors{}; // by window

constexpr uint64_t stack_size = 4096;
constexpr uint64_t microsecond = 1000;

void run_supervisor(void* argument) {
    machine().interrupts_restore(1);
    static_cast<Supervisor*>(argument)->run();
}

} // namespace

Supervisor* supervisor_of(CellId cell) {
    return supervisors[cell.value()];
}

void Supervisor::prepare(Cell& cell, const BootCell& description, const rumpk_boot_supervisor& policy) {
    cell_ = &cell;
    description_ = description;
    policy_ = policy;
    faults_ = boot_memory().take_objects<CellFault>(machine().boot->cores, "supervisor");
    if (restarts()) {
        restarted_ = boot_memory().take_objects<Instant>(policy.limit, "supervisor");
    }
    for (uint32_t core = 0; core < faults_.size(); ++core) {
        if ((cell.core_set() >> core & 1) != 0) {
            faults_[core].spare =
                kernel_stack(this_scheduler().interrupt_stack_ranges().front().size, "interrupt stacks");
        }
    }
    fiber_ = boot_memory().take_objects<Fiber>(1, "supervisor").data();
    fiber_->tier = Tier::photon;
    fiber_->core = cell.home_core();
    fiber_->stack = kernel_stack(stack_size, "supervisor stack");
    std::copy_n("supervisor", 10, fiber_->name);
    machine().context_make(&fiber_->context, fiber_->stack.pointer(), fiber_->stack.size, run_supervisor,
                           this);
    this_scheduler().begin(*fiber_);
    supervisors[cell.id().value()] = this;
    told_.window = cell.id().value();
    waits_ = parts::managers && description.waits;
    told_.state = waits_ ? 0 : RUMPK_CELL_LIVES;
    std::ranges::copy(cell.name(), reinterpret_cast<char*>(told_.name));
}

void Supervisor::end_by_fault(const hal_fault& fault, Fiber& fiber) {
    Scheduler& here = this_scheduler();
    CellFault& noted = faults_[here.core().value()];
    noted.told = &fault;
    noted.fiber = &fiber;
    noted.spare = here.keep_interrupt_stack(noted.spare); // run() copies what lies there with interrupts on
    if (here.is(cell_->home_core())) {
        end_with(fiber, CellEnd::by_fault);
    } else {
        fiber_end_by_fault(fiber);
    }
}

// In an event, at home. The fiber runs. That it has ended is said with that of all others, later: what is
// done here is done masked.
void Supervisor::end_with(Fiber& fiber, CellEnd how) {
    Scheduler& here = this_scheduler();
    if (console().finishing()) {
        fiber.owned = false;
        here.forget(fiber);
        if (parts::views) { // it is the console's driver: no other is given the core
            console().lose_driver();
        }
    } else {
        here.abandon(fiber);
        ended(how, here.core());
    }
}

void Supervisor::keep(CellFault& fault) {
    fault.what = *fault.told;
    std::copy_n(fault.told->value, fault.told->count, fault.registers.begin());
    fault.what.value = fault.registers.data();
}

void Supervisor::ended(CellEnd how, CoreId core, int64_t code) {
    if (ending()) {
        return; // two cores, or a fiber's end that was on its way
    }
    how_ = how;
    next_look_ = Instant::never();
    core_ = core;
    code_ = code;
    Scheduler& here = this_scheduler();
    cell_->stop();
    here.cell_stops();
    fiber_->latched |= ended_bit;
    // As a bell, in fewer steps: a fault does this masked. While the cell lives its supervisor has no
    // deadline, and so may be put into another tier.
    if (fiber_->state == FiberState::waiting && (fiber_->waits_for & ended_bit) != 0) {
        fiber_->tier = restarts() || cell_->ends_alone() ? cell_->home_tier() : Tier::photon;
        here.make_ready(*fiber_);
    }
}

Result<void> Supervisor::end_from_outside(const Cell& by, uint64_t reason) {
    if (state() != RUMPK_MANAGED_LIVES) {
        return error(Errno::srch);
    }
    killer_ = &by;
    kill_reason_ = reason;
    ended(CellEnd::by_kernel, this_scheduler().core());
    return {};
}

Result<void> Supervisor::begin_from_outside() {
    if (!waits_) {
        return error(Errno::busy);
    }
    waits_ = false;
    told_.state = RUMPK_CELL_LIVES;
    cell_->begin_again(description_.first_budget);
    return {};
}

rumpk_managed_state Supervisor::state() const {
    return waits_ ? RUMPK_MANAGED_WAITS : ending() ? RUMPK_MANAGED_ENDED : RUMPK_MANAGED_LIVES;
}

void Supervisor::run() {
    Scheduler& here = this_scheduler();
    if (parts::restart) {
        const InterruptsMasked masked;
        watch();
    }
    for (;;) {
        uint64_t woken = 0;
        {
            const InterruptsMasked masked;
            woken = here.wait(ended_bit | taken_bit, Instant::never());
        }
        if (parts::managers && (woken & taken_bit) != 0) {
            finish_taking();
        }
        if (parts::managers && (woken & ended_bit) == 0) {
            continue;
        }
        const uint64_t restarts = restarts_in_window();
        const bool again = covered() && restarts < policy_.limit;
        const bool image_goes_on = again || cell_->ends_alone();
        if (image_goes_on && fiber_->tier != cell_->home_tier()) { // it was busy when the cell ended
            const InterruptsMasked masked;
            here.go_on_in(cell_->home_tier());
        }
        if (parts::restart && parts::cores) {
            const InterruptsMasked masked;
            stop_elsewhere(here, *cell_); // from here on no other core notes a fault of this cell
        }
        if (how_ == CellEnd::by_fault) {
            keep(faults_[core_.value()]);
        }
        tell_end();
        if (image_goes_on) {
            cell_->forget_fibers();
        }
        report();
        if (again) {
            restart(restarts);
        } else {
            give_up(restarts);
        }
    }
}

void Supervisor::report() const {
    const CellFault& fault = faults_[core_.value()];
    if (parts::managers && killer_ != nullptr) {
        print("cell %.*s: killed by cell %.*s, reason %lu", RUMPK_TEXT(cell_->name()),
              RUMPK_TEXT(killer_->name()), kill_reason_);
    }
    if (how_ == CellEnd::by_fault) {
        report_fault(fault.what, *fault.fiber);
    } else if (parts::restart && how_ == CellEnd::by_heartbeat) {
        print("cell %.*s: fiber %.*s: no call for %lu ms; the cell ends", RUMPK_TEXT(cell_->name()),
              RUMPK_TEXT(fiber_name(*fault.fiber)), uint64_t{policy_.heartbeat_us} / 1000);
    }
}

// Who it was the fault's fiber's block says only as long as the cell has not begun anew.
void Supervisor::tell_end() {
    static_assert(RUMPK_CELL_ENDED_BY_ITSELF == 2 * static_cast<uint32_t>(CellEnd::by_itself) &&
                  RUMPK_CELL_ENDED_BY_FAULT == 2 * static_cast<uint32_t>(CellEnd::by_fault) &&
                  RUMPK_CELL_ENDED_BY_KERNEL == 2 * static_cast<uint32_t>(CellEnd::by_kernel) &&
                  RUMPK_CELL_ENDED_BY_HEARTBEAT == 2 * static_cast<uint32_t>(CellEnd::by_heartbeat));
    rumpk_telemetry_cell told{.window = told_.window,
                              .state = 2 * static_cast<uint32_t>(how_),
                              .restarts = restarts_,
                              .ended_ns = machine().now(),
                              .code = how_ == CellEnd::by_itself ? code_ : 0,
                              .pc = 0,
                              .address = 0,
                              .what = {},
                              .fiber = {},
                              .name = {}};
    std::ranges::copy(told_.name, told.name);
    const CellFault& fault = faults_[core_.value()];
    if (how_ == CellEnd::by_fault) {
        told.pc = fault.what.pc;
        told.address = fault.what.address;
        const size_t length = std::min(__builtin_strlen(fault.what.what), sizeof told.what - 1);
        std::copy_n(fault.what.what, length, reinterpret_cast<char*>(told.what));
    }
    if (how_ == CellEnd::by_fault || how_ == CellEnd::by_heartbeat) {
        std::ranges::copy(fault.fiber->name, reinterpret_cast<char*>(told.fiber));
    }
    const InterruptsMasked masked;
    told_ = told;
}

// Is this an end after which the cell is to begin anew?
bool Supervisor::covered() const {
    return how_ == CellEnd::by_itself ? restarts_always() : restarts();
}

uint64_t Supervisor::restarts_in_window() const {
    const Instant now{machine().now()};
    const Nanoseconds window{policy_.window_us * microsecond};
    uint64_t count = 0;
    while (count < std::min<uint64_t>(restarts_, restarted_.size()) &&
           now - restarted_[(restarts_ - 1 - count) % restarted_.size()] < window) {
        ++count;
    }
    return count;
}

Nanoseconds Supervisor::backoff(uint64_t restarts) const {
    uint64_t wait = policy_.backoff_us;
    for (uint64_t i = 0; i < restarts && wait < policy_.backoff_limit_us; ++i) {
        wait *= 2;
    }
    return Nanoseconds{std::min<uint64_t>(wait, policy_.backoff_limit_us) * microsecond};
}

void Supervisor::restart(uint64_t restarts) {
    Scheduler& here = this_scheduler();
    const Nanoseconds wait = backoff(restarts);
    print("cell %.*s: restart %lu of %lu, after %lu us", RUMPK_TEXT(cell_->name()), restarts + 1,
          uint64_t{policy_.limit}, wait.value() / microsecond);
    const Instant beginning = Instant{machine().now()} + wait;
    cell_->restore(description_);
    if (cell_->has_console()) {
        const InterruptsMasked masked;
        console().renew_rings(*fiber_, renewed_bit);
        (void)here.wait(renewed_bit, Instant::never());
    }
    {
        const InterruptsMasked masked;
        (void)here.wait(0, beginning);
    }
    restarted_[restarts_++ % restarted_.size()] = Instant{machine().now()};
    {
        const InterruptsMasked masked;
        how_ = CellEnd::none;
        killer_ = nullptr;
        cell_->begin_again(description_.first_budget); // runs when this fiber next waits: they have one tier
        if (parts::views) {
            tell_peers_of(*cell_);
        }
        told_.state |= RUMPK_CELL_LIVES;
        told_.restarts = restarts_;
        watch();
    }
    const InterruptsMasked masked;
    here.go_on_in(Tier::photon);
}

// With the first cell the machine ends; another is gone, and nobody waits for this fiber any more.
void Supervisor::give_up(uint64_t restarts) {
    if (covered()) {
        print("cell %.*s: no further restart after %lu within %lu ms", RUMPK_TEXT(cell_->name()), restarts,
              uint64_t{policy_.window_us} / 1000);
    }
    if (parts::views && cell_->ends_alone()) {
        if (console().port().driven_by(*cell_)) {
            const InterruptsMasked masked;
            console().lose_driver();
            console().port().take_back();
        }
        close_channels_of(*cell_);
    }
    if (cell_->ends_alone() && how_ == CellEnd::by_itself) {
        print("cell %.*s has ended with %ld", RUMPK_TEXT(cell_->name()), code_);
    }
    const InterruptsMasked masked;
    if (!cell_->ends_alone()) {
        machine_end(RUMPK_EXIT_PANIC);
    }
    for (;;) { // of the first cell nobody else is given the core but the console's driver
        (void)this_scheduler().wait(taken_bit, Instant::never());
        if (parts::managers) {
            finish_taking();
        }
    }
}

} // namespace rumpk
