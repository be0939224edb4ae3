// SPDX-License-Identifier: Apache-2.0
#include "core/budget.h"

namespace rumpk {

namespace {

constexpr uint64_t microsecond = 1000;

} // namespace

void Budget::prepare(uint32_t index, const rumpk_meta_budget& described) {
    index_ = static_cast<uint8_t>(index);
    run_ = described.run_us * microsecond;
    window_ = described.window_us * microsecond;
}

void Budget::begin(bool demotable) {
    strikes_.store(0, std::memory_order_relaxed);
    demotable_ = demotable;
}

Instant Budget::start(Instant now) {
    if (replenished(now)) {
        window_end_ = now.nanoseconds() + window_;
        left_ = static_cast<int64_t>(run_);
    }
    used_up_ = now.nanoseconds() + static_cast<uint64_t>(left_);
    return Instant{used_up_};
}

// A window that ended while the fiber ran was followed by the next one at once, and
// what it ran since then is of that. (Not of a third one: a run is shorter than a window.)
void Budget::stop(Instant now) {
    const auto since_window = static_cast<int64_t>(now.nanoseconds() - window_end_);
    if (since_window <= 0) {
        left_ = static_cast<int64_t>(used_up_ - now.nanoseconds());
    } else {
        left_ = static_cast<int64_t>(run_) - since_window;
        window_end_ += window_;
    }
}

// Plain load and store: the fiber's core alone counts.
bool Budget::overrun(Instant now) {
    stop(now);
    if (left_ > 0 || replenished(now)) {
        return false;
    }
    const uint32_t count = strikes() + 1;
    strikes_.store(static_cast<uint8_t>(count), std::memory_order_relaxed);
    // Ended by the last one, the fiber leaves nothing of that window to the next.
    window_end_ = now.nanoseconds() + (count < last_strike ? 0 : window_);
    return true;
}

bool Budget::take_demotion() {
    const bool due = demotable_ && strikes() >= demotion;
    demotable_ = demotable_ && !due;
    return due;
}

void FreeBudgets::put(std::span<Budget> accounts, uint16_t number) {
    accounts[number - 1U].next_ = 0;
    (first_ == 0 ? first_ : accounts[last_ - 1U].next_) = number;
    last_ = number;
}

uint16_t FreeBudgets::take(std::span<Budget> accounts, Instant now) {
    const uint16_t number = first_;
    if (number == 0 || !accounts[number - 1U].replenished(now)) {
        return 0;
    }
    first_ = accounts[number - 1U].next_;
    return number;
}

void Budgets::prepare(std::span<const rumpk_meta_budget> budgets, std::span<Budget> accounts) {
    budgets_ = budgets;
    accounts_ = accounts;
    uint16_t number = 0;
    for (uint32_t index = 0; index < budgets.size(); ++index) {
        for (uint32_t i = 0; i < budgets[index].fibers; ++i) {
            accounts[number].prepare(index, budgets[index]);
            free_[index].put(accounts, ++number);
        }
    }
}

void Budgets::reset() {
    for (Budget& account : accounts_) {
        account.renew();
    }
    free_ = {};
    prepare(budgets_, accounts_);
}

Result<uint16_t> Budgets::take(uint32_t number, bool demotable, Instant now) {
    if (number == 0 || number > all().size()) {
        return error(Errno::inval);
    }
    const uint16_t account = free_[number - 1].take(accounts_, now);
    if (account == 0) {
        return error(Errno::busy);
    }
    account_of(account).begin(demotable);
    return account;
}

} // namespace rumpk
