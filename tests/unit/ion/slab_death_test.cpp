// SPDX-License-Identifier: Apache-2.0
//
// Buffers that go through a ring while the sender or the receiver dies before any of its accesses to the
// ring or the slab: a successor goes on and sweeps, no buffer is seen with wrong content, and at the
// end each is free exactly once.
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "ion/slab.h"
#include "tests/unit/ion/scene.h"
#include "tests/unit/ion/shared.h"

namespace {

using ion::BufferToken;
using ion::Errno;

using Slabs = ion::BasicSlabs<false, ion_test::HookedWords>;
using Producer = ion_test::HookedProducer;
using Consumer = ion_test::HookedConsumer;

constexpr ion::Geometry geometry = ion::Geometry::of(2, 32);
constexpr ion::SlabShape buffers = ion::SlabShape::of(6, 64); // more than can be held, under way and lost
constexpr uint64_t messages = 3;
constexpr uint16_t sender = 1;
constexpr uint16_t receiver = 2;

using Plan = ion_test::Turns<2>; // 0: the sender, 1: the receiver

class World final : public ion_test::Scene<2> {
  public:
    explicit World(const Plan& plan) : Scene(plan), ring_(geometry) {
        if (!ion::format(memory_, buffers)) {
            std::terminate();
        }
    }

  private:
    void live(unsigned who, unsigned before) override {
        const auto incarnation = static_cast<uint16_t>(before + 1);
        if (who == 0) {
            send(incarnation);
        } else {
            receive(incarnation);
        }
    }

    void send(uint16_t incarnation) {
        Slabs slabs(memory_.data(), buffers, {sender, incarnation});
        Producer out(ring_.base(), geometry);
        if (incarnation != 1) {
            auto next = Producer::resume(ring_.base(), geometry);
            (void)slabs.sweep(sender, incarnation);
            party(1).ring(); // the dead one may not have come to it
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
            party(1).ring();
        }
        out.close();
        party(1).ring();
    }

    void receive(uint16_t incarnation) {
        Slabs slabs(memory_.data(), buffers, {receiver, incarnation});
        Consumer in(ring_.base(), geometry);
        if (incarnation != 1) {
            auto next = Consumer::resume(ring_.base(), geometry);
            party(0).ring();
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
            party(0).ring();
        }
        // The sender has ended: what is still under way was never published, and what a dead one had is lost.
        (void)slabs.sweep(receiver, incarnation);
    }

    // All are free, each once.
    void finish() override {
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
    ion_test::Shared ring_;
};

TEST(SlabDeath, EitherAtEveryStep) {
    ion_test::Tally tally;
    for (unsigned mortal = 0; mortal < 2; ++mortal) {
        for (unsigned death = 0; death < 90; ++death) {
            Plan plan;
            plan.first = death % 2;
            plan.deaths[mortal] = {death};
            all_switches(plan, 1, 1, [&](const Plan& turns) { return ion_test::run<World>(turns, tally); });
        }
    }
    print(tally);
    EXPECT_GT(tally.deaths, tally.runs / 4);
}

} // namespace
