// SPDX-License-Identifier: Apache-2.0
//
// Two parties on one thread, each stopped before every access to shared memory; who goes next, and
// who never goes again, is the caller's to say. A death is what it is on a machine: the party is not
// run any more, nothing of it is unwound.
#pragma once

#include <ucontext.h>

#include <array>
#include <cstddef>
#include <functional>

#include "tests/unit/ion/hooked.h"

namespace ion_test {

// Asked after each step of the running party: may it take the next one, too?
class Scheduler {
  public:
    virtual bool go_on() = 0;

  protected:
    ~Scheduler() = default;
};

class Party {
  public:
    enum class State { ready, asleep, ended };

    // As if it had never been.
    void reset() {
        state_ = State::ended;
        rung_ = false;
    }

    // From the beginning of `script`, whatever became of the one before. A bell rung for that one is kept.
    void start(std::function<void()> script) {
        script_ = std::move(script);
        state_ = State::ready;
        steps_ = 0;
        getcontext(&context_);
        context_.uc_stack.ss_sp = stack_.data();
        context_.uc_stack.ss_size = stack_.size();
        context_.uc_link = nullptr;
        const auto self = reinterpret_cast<uintptr_t>(this);
        makecontext(&context_, reinterpret_cast<void (*)()>(&Party::enter), 2,
                    static_cast<unsigned>(self >> 32), static_cast<unsigned>(self));
    }

    // Step by step for as long as the scheduler lets it, or until it sleeps or ends.
    void go(Scheduler& scheduler) {
        ++steps_;
        running_ = this;
        scheduler_ = &scheduler;
        swapcontext(&caller_, &context_);
        running_ = nullptr;
    }

    // By the running party: a step ends here.
    static void stop() {
        if (scheduler_->go_on()) {
            ++running_->steps_;
        } else {
            leave();
        }
    }
    // By the running party: it goes on once it was rung, which may have been before.
    static void sleep() {
        Party* const self = running_;
        if (!self->rung_) {
            self->state_ = State::asleep;
            leave();
        }
        self->rung_ = false;
    }
    void ring() {
        rung_ = true;
        if (state_ == State::asleep) {
            state_ = State::ready;
        }
    }

    [[nodiscard]] State state() const { return state_; }
    [[nodiscard]] unsigned steps() const { return steps_; }
    static bool anybody() { return running_ != nullptr; }

  private:
    static void leave() { swapcontext(&running_->context_, &running_->caller_); }

    static void enter(unsigned high, unsigned low) {
        auto* self = reinterpret_cast<Party*>(static_cast<uintptr_t>(high) << 32 | low);
        self->script_();
        self->state_ = State::ended;
        while (true) {
            leave();
        }
    }

    static inline Party* running_ = nullptr;
    static inline Scheduler* scheduler_ = nullptr;

    alignas(16) std::array<std::byte, 32 * 1024> stack_;
    ucontext_t context_;
    ucontext_t caller_;
    std::function<void()> script_;
    State state_ = State::ended;
    bool rung_ = false;
    unsigned steps_ = 0;
};

// Stops the running party before each access.
class Stepper : public Hook {
  public:
    Stepper() { HookedWords::hook = this; }
    ~Stepper() { HookedWords::hook = nullptr; }
    void before_access() override {
        if (Party::anybody()) {
            Party::stop();
        }
    }
};

} // namespace ion_test
