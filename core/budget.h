// SPDX-License-Identifier: Apache-2.0
// A budget: run time that a fiber may use in each window of time.
//
// Opt-in, and nothing here is touched by a fiber without one. There is no timer
// that fills budgets up: whether a new window has begun is looked at when the
// fiber is given the core. While it runs, and only then, its scheduler keeps a
// deadline for the moment at which the budget is used up. Still running then, the
// fiber has overrun: a strike, and a whole window begins anew.
#pragma once

#include <array>
#include <atomic>
#include <span>

#include "abi/image.h"
#include "core/parts.h"
#include "core/types.h"

namespace rumpk {

struct Fiber;

// The account of one fiber. Made at boot, as many as the manifest says; which
// budget of the cell it is for never changes.
//
// Who may touch it: as the fiber's control block, whoever may touch that of the
// fiber that has it; while nobody has it, the cell's home core.
class Budget {
  public:
    // Strikes in a fiber's life: counted, demoted, killed.
    static constexpr uint32_t demotion = 2;
    static constexpr uint32_t last_strike = 3;

    // Boot only. `index` counts the cell's budgets from 0.
    void prepare(uint32_t index, const rumpk_meta_budget& described);

    [[nodiscard]] uint32_t index() const { return index_; }
    // Any core: a strike may come at this moment.
    [[nodiscard]] uint32_t strikes() const { return strikes_.load(std::memory_order_relaxed); }
    // Nothing is left of an earlier window, used or not.
    [[nodiscard]] bool replenished(Instant now) const { return now.nanoseconds() >= window_end_; }

    // A fiber's life with it begins. May a strike move that fiber to a lower tier?
    void begin(bool demotable);

    // Times never go back.
    // The fiber is given the core. Returns when the budget will be used up if it runs
    // on, or before that: overrun() is to be asked then.
    [[nodiscard]] Instant start(Instant now);
    // It gives the core up.
    void stop(Instant now);
    // It runs, and the moment of start() has come. Has it used up the budget of the
    // window it is in? Then that is a strike, and unless it was the last the next
    // window begins with the next start(). To be followed by start() at once.
    [[nodiscard]] bool overrun(Instant now);

    // Nothing has been used of it, in whatever window.
    void renew() { window_end_ = 0; }

    // Asks once for the demotion that is due.
    [[nodiscard]] bool take_demotion();

  private:
    friend class FreeBudgets;

    // In ns. Windows are of minutes at most and times never wrap, so plain sums do.
    uint64_t run_ = 0;
    uint64_t window_ = 0;
    uint64_t window_end_ = 0; // of the last window that was begun
    int64_t left_ = 0;        // of the run in it, while the fiber does not run; less than 0: it came off late
    uint64_t used_up_ = 0;    // when left_ would be gone, while it runs
    std::atomic<uint8_t> strikes_{0};
    uint8_t index_ = 0;
    bool demotable_ = false;
    uint16_t next_ = 0; // number of the one behind it among the free; 0: the last
};

// The free accounts of one of a cell's budgets, in the order in which they became
// free. They are named by number, from 1: their place in the cell's accounts.
class FreeBudgets {
  public:
    void put(std::span<Budget> accounts, uint16_t number);
    // 0: none, or the one that has been free the longest is still in the window in
    // which it was used. Who ends and begins anew has no more than who stays.
    [[nodiscard]] uint16_t take(std::span<Budget> accounts, Instant now);

  private:
    uint16_t first_ = 0;
    uint16_t last_ = 0; // valid unless first_ is 0
};

// A cell's, all on its home core. Empty in a cell without budgets.
class Budgets {
  public:
    // Boot only. `accounts`: as many as the budgets say together.
    void prepare(std::span<const rumpk_meta_budget> budgets, std::span<Budget> accounts);

    // Nobody has any of them, and none has been used.
    void reset();

    // Of which there may be how many, by number from 1.
    [[nodiscard]] std::span<const rumpk_meta_budget> all() const {
        return budgets_.first(parts::budgets ? budgets_.size() : 0);
    }
    // `account` is not 0.
    [[nodiscard]] Budget& account_of(uint16_t account) const { return accounts_[account - 1U]; }

    // An account of the budget `number`. EINVAL: there is no such. EBUSY: all are in use or used up.
    [[nodiscard]] Result<uint16_t> take(uint32_t number, bool demotable, Instant now);
    void give(uint16_t account) { free_[account_of(account).index()].put(accounts_, account); }

  private:
    std::span<const rumpk_meta_budget> budgets_;
    std::span<Budget> accounts_;
    std::array<FreeBudgets, RUMPK_BUDGETS_MAX> free_{};
};

// Of a fiber that has one.
[[nodiscard]] Budget& budget_of(const Fiber& fiber);

} // namespace rumpk
