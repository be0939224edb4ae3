// SPDX-License-Identifier: Apache-2.0
//
// A producer and a consumer die before each of their accesses to the ring, in many interleavings, and
// a successor goes on: no torn message is seen, none that was published is lost or changes, none
// that was released comes again, what was peeked only comes again and is marked, nobody sleeps for ever.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/unit/ion/scene.h"
#include "tests/unit/ion/shared.h"

namespace {

using ion::Errno;
using ion::Geometry;
using ion_test::Party;
using ion_test::Shared;

struct Plan : ion_test::Turns<2> { // 0: the producer, 1: the consumer
    uint64_t messages = 3;
    uint32_t slots = 2;
    bool across = false; // the ends as on two cores
    uint32_t batch = 1;  // 0: by produce and consume
};

struct Payload {
    uint64_t first;
    uint64_t second;
};

template <class HookedProducer, class HookedConsumer>
class World final : public ion_test::Scene<2> {
  public:
    explicit World(const Plan& plan) : Scene(plan), plan_(plan), memory_(*Geometry::make(plan.slots, 32)) {}

    [[nodiscard]] unsigned again() const { return again_; }

  private:
    void live(unsigned who, unsigned incarnation) override {
        if (who == 0) {
            produce(incarnation);
        } else {
            consume(incarnation);
        }
    }

    void finish() override { require(released_ == plan_.messages, "not all was delivered"); }

    // What is true of the memory after each step, seen from outside.
    void look_on() override {
        while (published_.size() < plan_.messages &&
               memory_.slot(published_.size()).sequence == published_.size() + 1) {
            const uint64_t p = published_.size();
            Payload payload;
            std::memcpy(&payload, &memory_.slot(p) + 1, sizeof payload);
            published_.push_back(payload);
        }
        const uint64_t position = memory_.header().consumer.position;
        require(position >= released_ && position <= seen_, "released what nobody has seen");
        released_ = position;
    }

    static Party& producer() { return Scene::party(0); }
    static Party& consumer() { return Scene::party(1); }

    template <class End>
    void bell(End& end, Party& other) {
        if (end.peer_waiting()) {
            other.ring();
        }
    }

    void produce(unsigned incarnation) {
        HookedProducer out(memory_.base(), memory_.geometry());
        if (incarnation != 0) {
            auto next = HookedProducer::resume(memory_.base(), memory_.geometry());
            if (!next) {
                require(next.error() == Errno::pipe, "the producer's successor was refused");
                consumer().ring(); // the dead one may not have come to it
                return;
            }
            out = *next;
            require(out.position() == published_.size(), "the successor does not stand behind the last");
            bell(out, consumer());
        }
        while (out.position() < plan_.messages) {
            const Errno now = wait(out, [&] {
                auto slot = out.claim();
                return slot ? Errno{0} : slot.error();
            });
            if (now != Errno{0}) {
                return require(false, "claim failed");
            }
            if (plan_.batch == 0) {
                send_in_one(out, incarnation);
                continue;
            }
            if (plan_.batch == 1) {
                send(out, incarnation);
            } else {
                send_batch(out, incarnation);
            }
            bell(out, consumer());
        }
        out.close();
        bell(out, consumer());
    }

    static void fill(std::span<std::byte> slot, uint64_t p, unsigned incarnation) {
        auto* payload = reinterpret_cast<Payload*>(slot.data());
        Party::stop();
        payload->first = p << 8 | incarnation;
        Party::stop();
        payload->second = ~payload->first;
    }

    void send_in_one(HookedProducer& out, unsigned incarnation) {
        const uint64_t p = out.position();
        const auto sent = out.produce(1, sizeof(Payload), [&](std::byte* payload) {
            fill(std::span(payload, sizeof(Payload)), p, incarnation);
        });
        require(sent.has_value(), "produce failed");
        if (sent && *sent) {
            consumer().ring();
        }
    }

    void send(HookedProducer& out, unsigned incarnation) {
        auto slot = out.claim();
        if (!slot) {
            return require(false, "claim failed");
        }
        fill(slot->payload, out.position(), incarnation);
        require(out.publish(1, sizeof(Payload)).has_value(), "publish failed");
    }

    void send_batch(HookedProducer& out, unsigned incarnation) {
        const uint64_t left = plan_.messages - out.position();
        auto slots = out.claim(static_cast<uint32_t>(left < plan_.batch ? left : plan_.batch));
        if (!slots) {
            return require(false, "claim of a batch failed");
        }
        for (uint32_t i = 0; i < slots->size(); ++i) {
            fill((*slots)[i], out.position() + i, incarnation);
            require(slots->describe(i, 1, sizeof(Payload)).has_value(), "describe failed");
        }
        require(out.commit(slots->size()).has_value(), "commit failed");
    }

    void consume(unsigned incarnation) {
        HookedConsumer in(memory_.base(), memory_.geometry());
        if (incarnation != 0) {
            auto next = HookedConsumer::resume(memory_.base(), memory_.geometry());
            if (!next) {
                return require(false, "the consumer's successor was refused");
            }
            in = *next;
            require(in.position() == released_, "the successor does not stand at the first unreleased");
            bell(in, producer());
        }
        while (true) {
            const Errno now = wait(in, [&] {
                auto message = in.peek();
                return message ? Errno{0} : message.error();
            });
            if (now == Errno::pipe) {
                return require(in.position() == plan_.messages, "the end came before the last message");
            }
            if (now != Errno{0}) {
                return require(false, "peek failed");
            }
            if (plan_.batch == 0) {
                receive_in_one(in, incarnation);
                continue;
            }
            receive(in, incarnation);
            bell(in, producer());
        }
    }

    void receive_in_one(HookedConsumer& in, unsigned incarnation) {
        const bool marked = in.again();
        const auto got = in.consume(
            [&](const ion::Message& message) { look_at(message, in.position(), marked, incarnation); });
        require(got.has_value(), "consume failed");
        if (got && *got) {
            producer().ring();
        }
    }

    void look_at(const ion::Message& message, uint64_t p, bool marked, unsigned incarnation) {
        const auto* bytes = reinterpret_cast<const Payload*>(message.payload.data());
        Party::stop();
        const uint64_t first = bytes->first;
        Party::stop();
        const uint64_t second = bytes->second;
        require(message.tag == 1 && message.payload.size() == sizeof(Payload), "tag or length is torn");
        require(second == ~first && first >> 8 == p, "torn, or not the message due");
        require(p < published_.size() && published_[p].first == first, "not what was published");
        if (p < seen_) {
            require(incarnation != 0 && marked, "came again and was not marked");
            ++again_;
        } else {
            seen_ = p + 1;
        }
    }

    void receive(HookedConsumer& in, unsigned incarnation) {
        auto messages = in.peek(plan_.batch);
        if (!messages) {
            return require(false, "peek of a batch failed");
        }
        const bool marked = in.again();
        for (uint32_t i = 0; i < messages->size(); ++i) {
            look_at((*messages)[i], in.position() + i, i != 0 || marked, incarnation);
        }
        require(in.release(messages->size()).has_value(), "release failed");
    }

    Plan plan_;
    Shared memory_;
    unsigned again_ = 0;
    std::vector<Payload> published_;
    uint64_t seen_ = 0;     // messages some consumer has read to the end
    uint64_t released_ = 0; // messages given back
};

struct Tally : ion_test::Tally {
    uint64_t again = 0;
};

// Returns how many steps it took.
template <class World>
unsigned run_in(const Plan& plan, Tally& tally) {
    World world(plan);
    EXPECT_EQ(world.run(), "") << (plan.across ? "across cores, " : "") << "batch " << plan.batch << "; "
                               << text(plan);
    tally.add(world);
    tally.again += world.again();
    return world.steps();
}

unsigned run(const Plan& plan, Tally& tally) {
    using OneCore = World<ion_test::HookedProducer, ion_test::HookedConsumer>;
    using Across = World<ion_test::HookedAcrossProducer, ion_test::HookedAcrossConsumer>;
    return plan.across ? run_in<Across>(plan, tally) : run_in<OneCore>(plan, tally);
}

// With two switches the second comes at one place of so many behind the first.
unsigned second_switches() {
    return std::getenv("RUMPK_LONG") != nullptr ? 6 : 25;
}

void all_switches(const Plan& plan, unsigned count, Tally& tally) {
    ion_test::all_switches(plan, count, second_switches(),
                           [&](const Plan& turns) { return run(turns, tally); });
}

template <class With>
void both_ways(const With& with) {
    for (const uint32_t batch : {0u, 1u, 2u}) {
        for (const unsigned first : {0u, 1u}) {
            Plan plan;
            plan.batch = batch;
            plan.first = first;
            with(plan);
        }
    }
}

void print(const Tally& tally) {
    std::printf("%llu runs, %llu deaths, %llu messages seen again\n",
                static_cast<unsigned long long>(tally.runs), static_cast<unsigned long long>(tally.deaths),
                static_cast<unsigned long long>(tally.again));
}

constexpr unsigned most_steps = 40; // of one party in its life, more than it has

TEST(Death, NobodyDies) {
    Tally tally;
    both_ways([&](const Plan& plan) { all_switches(plan, 2, tally); });
    print(tally);
    EXPECT_EQ(tally.deaths, 0u);
    EXPECT_EQ(tally.again, 0u);
}

TEST(Death, ProducerAtEveryStep) {
    Tally tally;
    both_ways([&](Plan plan) {
        for (unsigned death = 0; death < most_steps; ++death) {
            plan.deaths[0] = {death};
            all_switches(plan, 2, tally);
        }
    });
    print(tally);
    EXPECT_GT(tally.deaths, tally.runs / 2);
    EXPECT_EQ(tally.again, 0u) << "the consumer lived";
}

TEST(Death, ConsumerAtEveryStep) {
    Tally tally;
    both_ways([&](Plan plan) {
        for (unsigned death = 0; death < most_steps; ++death) {
            plan.deaths[1] = {death};
            all_switches(plan, 2, tally);
        }
    });
    print(tally);
    EXPECT_GT(tally.deaths, tally.runs / 2);
    EXPECT_GT(tally.again, 1000u);
}

// The successor dies, too: most of its steps are resume's.
TEST(Death, SuccessorAtEveryStep) {
    Tally tally;
    both_ways([&](const Plan& plan) {
        for (unsigned first = 0; first < most_steps; ++first) {
            for (unsigned second = 0; second < most_steps; ++second) {
                Plan both = plan;
                both.deaths[0] = {first, second};
                all_switches(both, 0, tally);
                both.deaths[0] = {};
                both.deaths[1] = {first, second};
                all_switches(both, 0, tally);
            }
        }
    });
    print(tally);
}

TEST(Death, BothAtEveryStep) {
    Tally tally;
    both_ways([&](Plan plan) {
        for (unsigned producer = 0; producer < most_steps; ++producer) {
            for (unsigned consumer = 0; consumer < most_steps; ++consumer) {
                plan.deaths[0] = {producer};
                plan.deaths[1] = {consumer};
                all_switches(plan, 0, tally);
            }
        }
        for (unsigned producer = 0; producer < most_steps; producer += 2) {
            for (unsigned consumer = 1; consumer < most_steps; consumer += 3) {
                plan.deaths[0] = {producer};
                plan.deaths[1] = {consumer};
                all_switches(plan, 1, tally);
            }
        }
    });
    print(tally);
}

// Positions are told every other message here, so that successors find the rest by the sequences.
TEST(Death, AcrossCores) {
    Tally tally;
    both_ways([&](Plan plan) {
        plan.across = true;
        plan.slots = 16;
        plan.messages = 5;
        for (unsigned death = 0; death < 2 * most_steps; ++death) {
            plan.deaths[0] = {death};
            plan.deaths[1] = {};
            all_switches(plan, 1, tally);
            plan.deaths[0] = {};
            plan.deaths[1] = {death};
            all_switches(plan, 1, tally);
            plan.deaths[0] = {death, 7};
            plan.deaths[1] = {death};
            all_switches(plan, 0, tally);
        }
    });
    print(tally);
    EXPECT_GT(tally.deaths, tally.runs / 2);
}

} // namespace
