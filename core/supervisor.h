// SPDX-License-Identifier: Apache-2.0
// What becomes of a cell that has ended: a fiber of the kernel says what the cell has done wrong, and lets it
// begin anew, if its manifest wants that and it has not happened too often; else the image ends.
//
// From the end on no fiber of the cell is given the core; everybody else is, as ever. This fiber waits in the
// highest tier, where none of the cell's keeps the core from it; what an end takes it does in the tier that
// is the cell's own.
#pragma once

#include <array>
#include <span>

#include "abi/telemetry.h"
#include "core/boot_table.h"
#include "core/fiber.h"
#include "core/result.h"
#include "core/revoke.h"

namespace rumpk {

struct Caller;

// Of one core: a fault that ended a cell, and whose.
struct CellFault {
    const hal_fault* told = nullptr; // by the HAL, which does not keep it
    hal_fault what{};
    std::array<uint64_t, HAL_REGISTERS> registers{};
    const Fiber* fiber = nullptr; // its block says who it was, as long as the cell has not begun anew
    AddressRange spare{};         // for the interrupt stack on which lies what the HAL tells
};

// Why a cell has ended.
enum class CellEnd : uint8_t {
    none, // it has not
    by_itself,
    by_fault,  // of its own code
    by_kernel, // which ended its first or its last fiber, and has said so
    by_heartbeat,
};

class Supervisor {
  public:
    // Boot only. The fiber is ready then.
    void prepare(Cell& cell, const BootCell& description, const rumpk_boot_supervisor& policy);

    // In the fault, on the core where it came, which runs the fiber: ends that, and the cell. To be followed
    // by leave_fault().
    void end_by_fault(const hal_fault& fault, Fiber& fiber);
    // Masked, on the home core: the cell has ended. None of its fibers is given that core from now on; the
    // running one, if it is one of them, does not get it back. `core`: where a fault has been noted; `code`:
    // with which it has ended by itself.
    void ended(CellEnd how, CoreId core, int64_t code = 0);

    // Masked, on the home core. Has it ended, and not begun anew yet? Nothing that comes from another core is
    // about it any more.
    [[nodiscard]] bool ending() const { return how_ != CellEnd::none; }

    // Masked, on the home core; another cell's fiber runs, of a cell that manages this one. What becomes of
    // it then is as when the kernel ends it. ESRCH: it does not live.
    [[nodiscard]] Result<void> end_from_outside(const Cell& by, uint64_t reason);
    // The same. It has waited to begin. EBUSY: it has not.
    [[nodiscard]] Result<void> begin_from_outside();
    // The same. What it holds in that slot is taken from it for good, and the caller waits until it has none
    // of it left. What the call says, as revoke(); EBUSY: something else is being taken from it.
    [[nodiscard]] int64_t take_from_outside(const Caller& by, uint32_t slot, uint64_t reason);
    [[nodiscard]] rumpk_managed_state state() const;
    [[nodiscard]] uint64_t restart_count() const { return restarts_; }

    // Does the cell begin anew when its own code faults?
    [[nodiscard]] bool restarts() const { return parts::restart && policy_.policy != RUMPK_RESTART_NEVER; }
    // The same when it ends by itself?
    [[nodiscard]] bool restarts_always() const {
        return parts::restart && policy_.policy == RUMPK_RESTART_ALWAYS;
    }

    [[noreturn]] void run();

    // Masked. For somebody outside who asks what became of the cell.
    [[nodiscard]] const rumpk_telemetry_cell& told() const { return told_; }

    // By the cell's fibers, where heartbeat.cpp hears them.
    void note_call() { made_call_ = true; }
    // heartbeat.cpp. In the timer interrupt: does the cell hang? Then who runs ends, and the cell. When to
    // look again; never(): it is not to be looked at.
    [[nodiscard]] Instant look(Instant now);

  private:
    enum : uint64_t { ended_bit = 1, renewed_bit = 2, taken_bit = 4 };

    [[nodiscard]] bool covered() const;
    [[nodiscard]] uint64_t restarts_in_window() const;
    [[nodiscard]] Nanoseconds backoff(uint64_t restarts) const;
    static void keep(CellFault& fault);
    void end_with(Fiber& fiber, CellEnd how);
    void restart(uint64_t restarts);
    void finish_taking();
    void report() const;
    void tell_end();
    void watch();
    [[noreturn]] void give_up(uint64_t restarts);

    Cell* cell_ = nullptr;
    Fiber* fiber_ = nullptr;
    BootCell description_;
    rumpk_boot_supervisor policy_{};
    std::span<CellFault> faults_;  // by core
    std::span<Instant> restarted_; // when, the last `limit` times; the n-th is at n % limit
    uint64_t restarts_ = 0;

    // The end that is being dealt with, until the cell begins anew. Written by ended().
    CellEnd how_{};
    CoreId core_{};
    int64_t code_ = 0;
    const Cell* killer_ = nullptr; // who has ended it from outside, and why
    uint64_t kill_reason_ = 0;
    bool waits_ = false; // to begin for the first time

    // What is being taken from the cell, by whom and why; nullptr: nothing. And who waits for it, if that
    // one still lives then.
    Revoked revoked_;
    const Cell* taker_ = nullptr;
    uint64_t take_reason_ = 0;
    FiberName asker_{};

    rumpk_telemetry_cell told_{}; // written masked, by the fiber

    // Of its heartbeat, if it has one and lives: who was looked at last, and what had run then since the
    // cell's last call. Touched masked.
    Shared<bool> made_call_{false}; // since it was looked at
    Instant next_look_ = Instant::never();
    FiberId looked_at_{};
    uint64_t had_run_ = 0; // ns
};

} // namespace rumpk
