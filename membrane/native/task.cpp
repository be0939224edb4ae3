// SPDX-License-Identifier: Apache-2.0
//
// The executor of a fiber's tasks: its loop, and the ends of tasks.
#include "nexus/task.h"

#include <algorithm>

namespace nexus {

namespace detail {

PromiseBase::~PromiseBase() {
    if (state == State::ready) {
        executor().ready_.remove(*this);
    } else if (state == State::timed) {
        executor().timed_.remove(*this);
    }
    if (kin == Kin::root) {
        executor().unlink_root(*this);
    }
}

void Owner::destroy() {
    PromiseBase* const first = promise;
    PromiseBase* last = first;
    while (last->awaits) {
        last = last->owner_awaited()->promise;
    }
    while (last != first) {
        PromiseBase* const waiter = last->awaiting;
        waiter->owner_awaited()->promise = nullptr; // its frame need not do it again
        waiter->awaits = false;
        last->handle().destroy();
        last = waiter;
    }
    promise = nullptr;
    first->handle().destroy();
}

void Access::wake(tasks& executor, PromiseBase& promise) {
    if (promise.state == State::timed) {
        executor.timed_.remove(promise);
    }
    if (promise.state != State::ready) {
        executor.ready_.push(promise);
    }
}

void Access::park(tasks& executor, Parked& wait, Instant deadline) {
    wait.listed = true;
    wait.previous = nullptr;
    wait.next = executor.parked_;
    if (wait.next != nullptr) {
        wait.next->previous = &wait;
    }
    executor.parked_ = &wait;
    if (deadline != never) {
        executor.timed_.insert(*wait.who, deadline_of(deadline));
    }
}

void Access::unpark(tasks& executor, Parked& wait) {
    if (!wait.listed) {
        return;
    }
    wait.listed = false;
    (wait.previous != nullptr ? wait.previous->next : executor.parked_) = wait.next;
    if (wait.next != nullptr) {
        wait.next->previous = wait.previous;
    }
}

std::coroutine_handle<> Access::root_ended(tasks& executor, PromiseBase& promise) {
    promise.handle().destroy();
    return next(executor);
}

std::coroutine_handle<> ended_in_company(PromiseBase& promise) {
    tasks& executor = promise.executor();
    if (promise.kin == Kin::root) {
        return Access::root_ended(executor, promise);
    }
    Group& group = *promise.group;
    group.winner = &promise; // of any: the waiter goes on at once, and nobody ends after it
    if (--group.left != 0) {
        return Access::next(executor);
    }
    return group.waiter != nullptr ? group.waiter->handle() : std::noop_coroutine();
}

} // namespace detail

using detail::Parked;
using detail::PromiseBase;

tasks::~tasks() {
    while (roots_ != nullptr) {
        detail::Owner(roots_).destroy();
    }
}

void tasks::start_root(PromiseBase& promise) {
    promise.kin = detail::Kin::root;
    promise.previous_root = nullptr;
    promise.next_root = roots_;
    if (roots_ != nullptr) {
        roots_->previous_root = &promise;
    }
    roots_ = &promise;
    ready_.push(promise);
}

void tasks::unlink_root(PromiseBase& promise) {
    (promise.previous_root != nullptr ? promise.previous_root->next_root : roots_) = promise.next_root;
    if (promise.next_root != nullptr) {
        promise.next_root->previous_root = promise.previous_root;
    }
}

Result<void> tasks::run() {
    fiber_ = self();
    while (roots_ != nullptr) {
        if (!step()) {
            return error(Errno::busy);
        }
    }
    return {};
}

// Runs a turn of what is ready, or waits. False: nothing can become ready.
bool tasks::step() {
    if (!ready_.empty()) {
        left_ = turn;
        detail::Access::next(*this).resume();
        if (left_ < 0) {
            nexus::yield();
            look();
            expire();
        }
        return true;
    }
    expire();
    look();
    if (!ready_.empty()) {
        return true;
    }
    PromiseBase* const first = timed_.first();
    if (first == nullptr && parked_ == nullptr) {
        return false;
    }
    uint64_t bells = 0;
    for (const Parked* wait = parked_; wait != nullptr; wait = wait->next) {
        bells |= wait->bells;
    }
    // Whatever ended it, the next step looks at everything.
    (void)call::yield(bells, 0, first != nullptr ? first->when : RUMPK_NEVER, 0);
    return true;
}

// Every wait is looked at and not only those whose bell rang: a task that made a call which waits (printf,
// a channel's own receive) may have taken another's bell.
void tasks::look() {
    for (Parked* wait = parked_; wait != nullptr; wait = wait->next) {
        if (wait->who->state != detail::State::ready && wait->ready(*wait)) {
            detail::Access::wake(*this, *wait->who);
        }
    }
}

void tasks::expire() {
    if (timed_.first() == nullptr) {
        return;
    }
    const uint64_t present = deadline_of(now());
    for (PromiseBase* first = timed_.first(); first != nullptr && first->when <= present;
         first = timed_.first()) {
        detail::Access::wake(*this, *first);
    }
}

} // namespace nexus
