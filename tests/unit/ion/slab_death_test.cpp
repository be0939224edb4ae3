// SPDX-License-Identifier: Apache-2.0
//
// Buffers that go through a ring while the sender or the receiver dies before any of its accesses to the
// ring or the slab: a successor goes on and sweeps, no buffer is seen with wrong content, and at the
// end each is free exactly once.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "ion/slab.h"
#include "tests/unit/ion/shared.h"
#include "tests/unit/ion/stepper.h"

namespace {

using ion::BufferToken;
using ion::Errno;
using ion_test::Party;

using Slabs = ion::BasicSlabs<false, ion_test::HookedWords>;
using Producer = ion_test::HookedProducer;
using Consumer = ion_test::HookedConsumer;

constexpr ion::Geometry geometry = ion::Geometry::of(2, 32);
constexpr ion::SlabShape buffers = ion::SlabShape::of(6, 64); // more than can be held, under way and lost
constexpr uint64_t messages = 3;
constexpr uint16_t sender = 1;
constexpr uint16_t receiver = 2;

struct Plan {
    bool receiver_first = false;
    std::vector<unsigned> switches; // global steps after which the other one goes on
    unsigned mortal = 2;            // 0: the sender dies, 1: the receiver
    unsigned death = 0;             // before which of its accesses
};

class World final : private ion_test::Scheduler {
  public:
    explicit World(const Plan& plan) : plan_(plan), ring_(geometry) {
        if (!ion::format(memory_, buffers)) {
            std::terminate();
        }
    }

    // An empty string, or what went wrong.
    std::string run() {
        for (unsigned i = 0; i < 2; ++i) {
            party_[i].reset();
            party_[i].start([this, i] { live(i, false); });
        }
        running_ = plan_.receiver_first ? 1 : 0;
        while (wrong_.empty() && steps_ < most_steps) {
            if (switch_is_due()) {
                ++next_switch_;
                running_ ^= 1;
            }
            if (party_[running_].state() != Party::State::ready) {
                running_ ^= 1;
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
        for (const Party& party : party_) {
            require(party.state() == Party::State::ended, "one has no end");
        }
        if (wrong_.empty()) {
            all_are_free();
        }
        return wrong_;
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
        const uint16_t incarnation = successor ? 2 : 1;
        if (who == 0) {
            send(incarnation);
        } else {
            receive(incarnation);
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

    void send(uint16_t incarnation) {
        Slabs slabs(memory_.data(), buffers, {sender, incarnation});
        Producer out(ring_.base(), geometry);
        if (incarnation != 1) {
            auto next = Producer::resume(ring_.base(), geometry);
            (void)slabs.sweep(sender, incarnation);
            party_[1].ring(); // the dead one may not have come to it
            if (!next) {
                return require(next.error() == Errno::pipe, "the sender's successor was refused");
            }
            out = *next;
        }
        while (out.position() < messages) {
            ion::Claim slot{};
            auto buffer = slabs.allocate();
            if (!buffer || wait(out, [&] {
                               auto claimed = out.claim();
                               slot = claimed ? *claimed : ion::Claim{};
                               return claimed ? Errno{0} : claimed.error();
                           }) != Errno{0}) {
                return require(false, "no buffer or no slot");
            }
            const uint64_t value = out.position();
            std::memcpy(buffer->data().data(), &value, sizeof value);
            auto token = buffer->send(receiver);
            require(token.has_value(), "send failed");
            std::memcpy(slot.payload.data(), &*token, sizeof *token);
            require(out.publish(1, sizeof *token).has_value(), "publish failed");
            party_[1].ring();
        }
        out.close();
        party_[1].ring();
    }

    void receive(uint16_t incarnation) {
        Slabs slabs(memory_.data(), buffers, {receiver, incarnation});
        Consumer in(ring_.base(), geometry);
        if (incarnation != 1) {
            auto next = Consumer::resume(ring_.base(), geometry);
            party_[0].ring();
            if (!next) {
                return require(false, "the receiver's successor was refused");
            }
            in = *next;
        }
        while (true) {
            BufferToken token{};
            const Errno now = wait(in, [&] {
                auto message = in.peek();
                token = message ? ion_test::read_as<BufferToken>(message->payload) : BufferToken{};
                return message ? Errno{0} : message.error();
            });
            if (now != Errno{0}) {
                require(now == Errno::pipe && in.position() == messages, "not the end that was due");
                break;
            }
            auto buffer = slabs.adopt(token);
            const bool buffer_first = in.position() % 2 == 0; // is given back before the message
            // The dead one may have given it back and not the message.
            require(buffer || (buffer_first && in.again()), "a buffer is not the receiver's");
            require(!buffer || ion_test::read_as<uint64_t>(buffer->data()) == in.position(),
                    "not its content");
            if (buffer_first && buffer) {
                require(buffer->free().has_value(), "free failed");
            }
            require(in.release().has_value(), "release failed");
            party_[0].ring();
        }
        // The sender has ended: what is still under way was never published, and what a dead one had is lost.
        (void)slabs.sweep(receiver, incarnation);
    }

    // On no party's time.
    void all_are_free() {
        Slabs slabs(memory_.data(), buffers, {3, 1});
        require(slabs.owned_by(sender) == 0 && slabs.owned_by(receiver) == 0, "a buffer was not given back");
        std::vector<Slabs::Buffer> all;
        for (uint32_t i = 0; i < buffers.count(); ++i) {
            auto buffer = slabs.allocate();
            if (!buffer) {
                return require(false, "a buffer is nobody's");
            }
            for (const auto& other : all) {
                require(other.data().data() != buffer->data().data(), "a buffer was had twice");
            }
            all.push_back(std::move(*buffer));
        }
        require(!slabs.allocate().has_value(), "one buffer too many");
    }

    alignas(64) static inline std::array<std::byte, buffers.bytes()> memory_;
    static inline std::array<Party, 2> party_;
    Plan plan_;
    ion_test::Shared ring_;
    ion_test::Stepper stepper_;
    unsigned running_ = 0;
    size_t next_switch_ = 0;
    unsigned steps_ = 0;
    bool died_ = false;
    std::string wrong_;
};

struct Tally {
    uint64_t runs = 0;
    uint64_t deaths = 0;
};

void all_switches(const Plan& plan, unsigned count, unsigned from, Tally& tally) {
    World world(plan);
    ASSERT_EQ(world.run(), "") << "number " << plan.mortal << " dies before its access " << plan.death
                               << "; first switch at " << (plan.switches.empty() ? 0 : plan.switches.front());
    ++tally.runs;
    tally.deaths += world.died();
    for (unsigned at = from; count != 0 && at < world.steps(); ++at) {
        Plan next = plan;
        next.switches.push_back(at);
        all_switches(next, count - 1, at + 1, tally);
        if (testing::Test::HasFatalFailure()) {
            return;
        }
    }
}

TEST(SlabDeath, EitherAtEveryStep) {
    Tally tally;
    for (unsigned mortal = 0; mortal < 2; ++mortal) {
        for (unsigned death = 0; death < 90; ++death) {
            Plan plan;
            plan.receiver_first = death % 2 != 0;
            plan.mortal = mortal;
            plan.death = death;
            all_switches(plan, 1, 1, tally);
        }
    }
    std::printf("%llu runs, %llu deaths\n", static_cast<unsigned long long>(tally.runs),
                static_cast<unsigned long long>(tally.deaths));
    EXPECT_GT(tally.deaths, tally.runs / 4);
}

} // namespace
