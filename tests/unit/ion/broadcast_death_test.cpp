// SPDX-License-Identifier: Apache-2.0
//
// A broadcast ring whose producer and consumers die before each of their accesses, in many interleavings on
// one thread, and are taken up by a successor: every message that was published is seen by each
// consumer, whole, in order, and by the one behind only when the one before is through with it; nobody
// sleeps for ever, also where one leaves or lies.
#include <gtest/gtest.h>

#include <array>

#include "ion/broadcast.h"
#include "tests/unit/ion/hooked.h"
#include "tests/unit/ion/scene.h"

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

struct Plan : ion_test::Turns<parties> {
    uint64_t messages = 3;
    Parting parting = Parting::never;
};

class World final : public ion_test::Scene<parties> {
  public:
    explicit World(const Plan& plan) : Scene(plan), plan_(plan) {
        if (!ion::format(memory_, shape)) {
            std::terminate();
        }
    }

  private:
    void live(unsigned who, unsigned incarnation) override {
        if (who == 0) {
            produce(incarnation != 0);
        } else {
            consume(who - 1, incarnation != 0);
        }
    }

    void finish() override {
        const uint64_t first = plan_.parting == Parting::never ? plan_.messages : parting + 1;
        require(through_[0] == first && through_[1] == plan_.messages, "not all was seen by all");
    }

    void ring(uint32_t sleepers) {
        for (unsigned k = 0; k < parties - 1; ++k) {
            if (sleepers >> k & 1) {
                party(1 + k).ring();
            }
        }
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
            party(0).ring();
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
                party(0).ring();
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
    Plan plan_;
    bool parted_ = false;
    std::array<uint64_t, parties - 1> through_{}; // messages each has read to the end
};

void all_switches(const Plan& plan, unsigned count, ion_test::Tally& tally) {
    ion_test::all_switches(plan, count, 7,
                           [&](const Plan& turns) { return ion_test::run<World>(turns, tally); });
}

TEST(BroadcastDeath, NobodyDies) {
    ion_test::Tally tally;
    for (unsigned first = 0; first < parties; ++first) {
        Plan plan;
        plan.first = first;
        all_switches(plan, 2, tally);
    }
    print(tally);
    EXPECT_EQ(tally.deaths, 0u);
}

TEST(BroadcastDeath, EachAtEveryStep) {
    ion_test::Tally tally;
    for (unsigned mortal = 0; mortal < parties; ++mortal) {
        for (unsigned death = 0; death < 70; ++death) {
            Plan plan;
            plan.first = death % parties;
            plan.deaths[mortal] = {death};
            all_switches(plan, 1, tally);
        }
    }
    print(tally);
    EXPECT_GT(tally.deaths, tally.runs / 2);
}

// Consumer 0 leaves, or lies and is expelled, while the one behind waits for it; the others die, or nobody
// does.
void one_parts(Parting how, uint64_t messages) {
    ion_test::Tally tally;
    for (unsigned first = 0; first < parties; ++first) {
        Plan plan;
        plan.messages = messages;
        plan.parting = how;
        plan.first = first;
        all_switches(plan, 2, tally);
    }
    for (const unsigned mortal : {0u, 2u}) {
        for (unsigned death = 0; death < 100; ++death) {
            Plan plan;
            plan.messages = messages;
            plan.parting = how;
            plan.first = death % parties;
            plan.deaths[mortal] = {death};
            all_switches(plan, 1, tally);
        }
    }
    print(tally);
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
