// SPDX-License-Identifier: Apache-2.0
//
// A broadcast ring whose producer and consumers die before each of their accesses, in many interleavings on
// one thread, and are taken up by a successor: every message that was published is seen by each
// consumer, whole, in order, and by the one behind only when the one before is through with it; nobody
// sleeps for ever, also where one leaves or lies.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "ion/broadcast.h"
#include "tests/unit/ion/hooked.h"
#include "tests/unit/ion/stepper.h"

namespace {

using ion::BroadcastShape;
using ion::Errno;
using ion::Geometry;
using ion_test::HookedWords;
using ion_test::Party;

using Producer = ion::BasicBroadcastProducer<ion::SameCore, HookedWords>;
using Consumer = ion::BasicBroadcastConsumer<ion::SameCore, HookedWords>;

constexpr BroadcastShape shape = BroadcastShape::of(Geometry::of(2, 32), 2);
constexpr unsigned parties = 3; // the producer, consumer 0, and consumer 1 behind it

// What consumer 0 does once it has read the message `parting`.
enum class Parting { never, closes, lies };
constexpr uint64_t parting = 2;

struct Plan {
    uint64_t messages = 3;
    Parting parting = Parting::never;
    unsigned first = 0;             // who begins
    std::vector<unsigned> switches; // global steps after which the next one goes on
    unsigned mortal = parties;      // who dies, if anybody
    unsigned death = 0;             // before which of its accesses
};

class World final : private ion_test::Scheduler {
  public:
    explicit World(const Plan& plan) : plan_(plan) {
        if (!ion::format(memory_, shape)) {
            std::terminate();
        }
    }

    // An empty string, or what went wrong.
    std::string run() {
        for (unsigned i = 0; i < parties; ++i) {
            party_[i].reset();
            party_[i].start([this, i] { live(i, false); });
        }
        running_ = plan_.first;
        while (wrong_.empty() && steps_ < most_steps) {
            if (switch_is_due()) {
                ++next_switch_;
                running_ = (running_ + 1) % parties;
            }
            unsigned asked = 0;
            while (party_[running_].state() != Party::State::ready && asked++ < parties) {
                running_ = (running_ + 1) % parties;
            }
            if (party_[running_].state() != Party::State::ready) {
                break;
            }
            if (death_is_due()) {
                died_ = true;
                party_[running_].start([this, i = running_] { live(i, true); });
            }
            party_[running_].go(*this);
            if (party_[running_].state() != Party::State::ready) {
                ++steps_;
            }
        }
        if (!wrong_.empty()) {
            return wrong_;
        }
        for (unsigned i = 0; i < parties; ++i) {
            if (party_[i].state() != Party::State::ended) {
                return "number " + std::to_string(i) + " has no end";
            }
        }
        const uint64_t first = plan_.parting == Parting::never ? plan_.messages : parting + 1;
        return through_[0] == first && through_[1] == plan_.messages ? "" : "not all was seen by all";
    }

    [[nodiscard]] unsigned steps() const { return steps_; }
    [[nodiscard]] bool died() const { return died_; }

  private:
    static constexpr unsigned most_steps = 2000;

    bool go_on() override {
        ++steps_;
        return wrong_.empty() && steps_ < most_steps && !switch_is_due() && !death_is_due();
    }
    [[nodiscard]] bool switch_is_due() const {
        return next_switch_ < plan_.switches.size() && plan_.switches[next_switch_] == steps_;
    }
    [[nodiscard]] bool death_is_due() const {
        return !died_ && plan_.mortal == running_ && party_[running_].steps() == plan_.death;
    }
    void require(bool holds, const char* what) {
        if (!holds && wrong_.empty()) {
            wrong_ = what;
        }
    }

    void live(unsigned who, bool successor) {
        if (who == 0) {
            produce(successor);
        } else {
            consume(who - 1, successor);
        }
    }

    void ring(uint32_t sleepers) {
        for (unsigned k = 0; k < parties - 1; ++k) {
            if (sleepers >> k & 1) {
                party_[1 + k].ring();
            }
        }
    }

    template <class End, class Look>
    Errno wait(End& end, Look look) {
        Errno now = look();
        while (now == Errno::again) {
            end.arm();
            now = look();
            if (now == Errno::again) {
                Party::sleep();
                now = look();
            }
            end.disarm();
        }
        return now;
    }

    void produce(bool successor) {
        Producer out(memory_.data(), shape);
        if (successor) {
            auto next = Producer::resume(memory_.data(), shape);
            ring(~0u); // the dead one may not have come to it
            if (!next) {
                return require(next.error() == Errno::pipe, "the producer's successor was refused");
            }
            out = *next;
        }
        while (out.position() < plan_.messages) {
            const uint64_t p = out.position();
            ion::Claim slot{};
            if (wait(out, [&] {
                    const uint32_t counted = out.active();
                    auto claimed = out.claim();
                    slot = claimed ? *claimed : ion::Claim{};
                    if (out.active() != counted) {
                        ring(out.consumers_waiting());
                    }
                    return claimed ? Errno{0} : claimed.error();
                }) != Errno{0}) {
                return require(false, "claim failed");
            }
            auto* words = reinterpret_cast<uint64_t*>(slot.payload.data());
            Party::stop();
            words[0] = p;
            Party::stop();
            words[1] = ~p;
            require(out.publish(1, 16).has_value(), "publish failed");
            ring(out.consumers_waiting());
        }
        require(out.liars() == 0 || plan_.parting == Parting::lies,
                "an honest consumer was taken for a liar");
        out.close();
        ring(out.consumers_waiting());
    }

    void consume(uint32_t k, bool successor) {
        const uint32_t behind = k == 1 ? 0b01 : 0;
        Consumer in(memory_.data(), shape, k, behind);
        if (successor) {
            auto next = Consumer::resume(memory_.data(), shape, k, behind);
            if (!next) {
                return require(false, "a consumer's successor was refused");
            }
            in = *next;
            party_[0].ring();
            ring(~0u);
        }
        while (true) {
            const uint64_t* words = nullptr;
            const Errno now = wait(in, [&] {
                auto message = in.peek();
                words = message ? reinterpret_cast<const uint64_t*>(message->payload.data()) : nullptr;
                return message ? Errno{0} : message.error();
            });
            if (now == Errno::pipe) {
                return require(in.position() == plan_.messages, "the end came before the last message");
            }
            if (now != Errno{0}) {
                return require(false, "peek failed");
            }
            const uint64_t p = in.position();
            Party::stop();
            const uint64_t first = words[0];
            Party::stop();
            require(first == p && words[1] == ~p, "torn, or not the message due");
            require(k == 0 || parted_ || through_[0] > p, "seen before the one in front was through with it");
            through_[k] = p + 1;
            const bool last = k == 0 && plan_.parting != Parting::never && p == parting;
            if (last) {
                parted_ = true;
                part(in);
            } else {
                require(in.release().has_value(), "release failed");
            }
            if (in.producer_waiting()) {
                party_[0].ring();
            }
            ring(in.consumers_waiting());
            if (last) {
                return;
            }
        }
    }

    void part(Consumer& in) {
        if (plan_.parting == Parting::closes) {
            in.close();
        } else { // takes back what it had released; the producer had to believe 1 to publish this one
            auto& page = *reinterpret_cast<rumpk_broadcast_page*>(memory_.data() + 4096);
            HookedWords::store(page.position, uint64_t{0}, std::memory_order_release);
        }
    }

    alignas(4096) static inline std::array<std::byte, shape.bytes()> memory_;
    static inline std::array<Party, parties> party_;
    Plan plan_;
    ion_test::Stepper stepper_;
    unsigned running_ = 0;
    size_t next_switch_ = 0;
    unsigned steps_ = 0;
    bool died_ = false;
    bool parted_ = false;
    std::array<uint64_t, parties - 1> through_{}; // messages each has read to the end
    std::string wrong_;
};

struct Tally {
    uint64_t runs = 0;
    uint64_t deaths = 0;
};

void all_switches(const Plan& plan, unsigned count, unsigned from, unsigned stride, Tally& tally) {
    World world(plan);
    const std::string wrong = world.run();
    std::string where;
    for (const unsigned at : plan.switches) {
        where += " " + std::to_string(at);
    }
    ASSERT_EQ(wrong, "") << plan.first << " first; switches" << where << "; number " << plan.mortal
                         << " dies before its access " << plan.death;
    ++tally.runs;
    tally.deaths += world.died();
    for (unsigned at = from; count != 0 && at < world.steps(); at += stride) {
        Plan next = plan;
        next.switches.push_back(at);
        all_switches(next, count - 1, at + 1, 7, tally);
        if (testing::Test::HasFatalFailure()) {
            return;
        }
    }
}

TEST(BroadcastDeath, NobodyDies) {
    Tally tally;
    for (unsigned first = 0; first < parties; ++first) {
        Plan plan;
        plan.first = first;
        all_switches(plan, 2, 1, 1, tally);
    }
    std::printf("%llu runs\n", static_cast<unsigned long long>(tally.runs));
    EXPECT_EQ(tally.deaths, 0u);
}

TEST(BroadcastDeath, EachAtEveryStep) {
    Tally tally;
    for (unsigned mortal = 0; mortal < parties; ++mortal) {
        for (unsigned death = 0; death < 70; ++death) {
            Plan plan;
            plan.first = death % parties;
            plan.mortal = mortal;
            plan.death = death;
            all_switches(plan, 1, 1, 1, tally);
        }
    }
    std::printf("%llu runs, %llu deaths\n", static_cast<unsigned long long>(tally.runs),
                static_cast<unsigned long long>(tally.deaths));
    EXPECT_GT(tally.deaths, tally.runs / 2);
}

// Consumer 0 leaves, or lies and is expelled, while the one behind waits for it; the others die, or nobody
// does.
void one_parts(Parting how, uint64_t messages) {
    Tally tally;
    for (unsigned first = 0; first < parties; ++first) {
        Plan plan;
        plan.messages = messages;
        plan.parting = how;
        plan.first = first;
        all_switches(plan, 2, 1, 1, tally);
    }
    for (const unsigned mortal : {0u, 2u}) {
        for (unsigned death = 0; death < 100; ++death) {
            Plan plan;
            plan.messages = messages;
            plan.parting = how;
            plan.first = death % parties;
            plan.mortal = mortal;
            plan.death = death;
            all_switches(plan, 1, 1, 1, tally);
        }
    }
    std::printf("%llu runs, %llu deaths\n", static_cast<unsigned long long>(tally.runs),
                static_cast<unsigned long long>(tally.deaths));
    EXPECT_GT(tally.deaths, 0u);
}

TEST(BroadcastDeath, OneLeaves) {
    one_parts(Parting::closes, 5);
    one_parts(Parting::closes, parting + 1); // the producer has ended, and looks no more
}
TEST(BroadcastDeath, OneLies) {
    one_parts(Parting::lies, 5);
}

} // namespace
