// SPDX-License-Identifier: Apache-2.0
//
// Parties on one thread that take turns as a plan says, die before any of their accesses to shared memory,
// and are followed by successors. What they do, and what has to hold, is each test's own.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "ion/result.h"
#include "tests/unit/ion/stepper.h"

namespace ion_test {

// The part of a plan that is common to all tests.
template <unsigned parties>
struct Turns {
    unsigned first = 0;                                // who begins
    std::vector<unsigned> switches;                    // global steps after which the next one goes on
    std::array<std::vector<unsigned>, parties> deaths; // of each incarnation: before which of its accesses
};

template <unsigned parties>
std::string text(const Turns<parties>& turns) {
    const auto listed = [](const std::vector<unsigned>& numbers) {
        std::string all;
        for (const unsigned n : numbers) {
            all += " " + std::to_string(n);
        }
        return all;
    };
    std::string all = std::to_string(turns.first) + " first; switches" + listed(turns.switches);
    for (unsigned i = 0; i < parties; ++i) {
        all += "; " + std::to_string(i) + " dies before" + listed(turns.deaths[i]);
    }
    return all;
}

template <unsigned parties>
class Scene : private Scheduler {
  public:
    // An empty string, or what went wrong.
    std::string run() {
        for (unsigned i = 0; i < parties; ++i) {
            party_[i].reset();
            party_[i].start([this, i] { live(i, 0); });
        }
        running_ = turns_.first;
        while (goes_on()) {
            if (switch_is_due()) {
                ++next_switch_;
                next();
            }
            for (unsigned asked = 0; !is_ready() && asked < parties; ++asked) {
                next();
            }
            if (!is_ready()) {
                break;
            }
            if (death_is_due()) {
                ++deaths_;
                party_[running_].start(
                    [this, i = running_, incarnation = ++incarnation_[running_]] { live(i, incarnation); });
            }
            party_[running_].go(*this);
            if (!is_ready()) {
                end_of_step();
            }
        }
        for (unsigned i = 0; i < parties; ++i) {
            if (party_[i].state() != Party::State::ended) {
                require(false, steps_ == most_steps ? "no end" : "one sleeps for ever");
            }
        }
        if (wrong_.empty()) {
            finish();
        }
        return wrong_;
    }

    [[nodiscard]] unsigned steps() const { return steps_; }
    [[nodiscard]] unsigned deaths() const { return deaths_; }

  protected:
    explicit Scene(const Turns<parties>& turns) : turns_(turns) {}
    ~Scene() = default;

    // What one does, from its beginning on. Incarnation 0 has no predecessor.
    virtual void live(unsigned who, unsigned incarnation) = 0;
    // After each step.
    virtual void look_on() {}
    // All have come to their end.
    virtual void finish() = 0;

    void require(bool holds, const char* what) {
        if (!holds && wrong_.empty()) {
            wrong_ = what;
        }
    }

    static Party& party(unsigned who) { return party_[who]; }

    // Looks until there is something to do, asleep in between. Returns what look said last.
    template <class End, class Look>
    ion::Errno wait(End& end, Look look) {
        ion::Errno now = look();
        while (now == ion::Errno::again) {
            end.arm();
            now = look();
            if (now == ion::Errno::again) {
                Party::sleep();
                now = look();
            }
            end.disarm();
        }
        return now;
    }

  private:
    static constexpr unsigned most_steps = 2000;

    bool go_on() override {
        end_of_step();
        return goes_on() && !switch_is_due() && !death_is_due();
    }
    void end_of_step() {
        ++steps_;
        look_on();
    }
    [[nodiscard]] bool goes_on() const { return wrong_.empty() && steps_ < most_steps; }
    [[nodiscard]] bool is_ready() const { return party_[running_].state() == Party::State::ready; }
    void next() { running_ = (running_ + 1) % parties; }
    [[nodiscard]] bool switch_is_due() const {
        return next_switch_ < turns_.switches.size() && turns_.switches[next_switch_] == steps_;
    }
    [[nodiscard]] bool death_is_due() const {
        const std::vector<unsigned>& deaths = turns_.deaths[running_];
        const unsigned incarnation = incarnation_[running_];
        return incarnation < deaths.size() && party_[running_].steps() == deaths[incarnation];
    }

    static inline std::array<Party, parties>
        party_; // their stacks are large, and there is one scene at a time
    Turns<parties> turns_;
    Stepper stepper_;
    unsigned running_ = 0;
    std::array<unsigned, parties> incarnation_{};
    size_t next_switch_ = 0;
    unsigned steps_ = 0;
    unsigned deaths_ = 0;
    std::string wrong_;
};

struct Tally {
    uint64_t runs = 0;
    uint64_t deaths = 0;

    template <class World>
    void add(const World& world) {
        ++runs;
        deaths += world.deaths();
    }
};

inline void print(const Tally& tally) {
    std::printf("%llu runs, %llu deaths\n", static_cast<unsigned long long>(tally.runs),
                static_cast<unsigned long long>(tally.deaths));
}

// Returns how many steps it took.
template <class World, class Plan>
unsigned run(const Plan& plan, Tally& tally) {
    World world(plan);
    EXPECT_EQ(world.run(), "") << text(plan);
    tally.add(world);
    return world.steps();
}

// Runs the plan with every place for a switch; for a second one it is one place of `stride` behind the first.
// `run` returns how many steps it took.
template <class Plan, class Run>
void all_switches(const Plan& plan, unsigned count, unsigned stride, const Run& run, unsigned from = 1,
                  unsigned step = 1) {
    const unsigned steps = run(plan);
    // A switch behind the end changes nothing.
    for (unsigned at = from; count != 0 && at < steps && !testing::Test::HasFailure(); at += step) {
        Plan next = plan;
        next.switches.push_back(at);
        all_switches(next, count - 1, stride, run, at + 1, stride);
    }
}

} // namespace ion_test
