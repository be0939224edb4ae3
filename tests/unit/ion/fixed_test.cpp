// SPDX-License-Identifier: Apache-2.0
//
// A geometry known when the program is compiled makes ends that do the same in fewer instructions: two rings,
// one of each kind, are led through the same random steps and must answer alike and look alike in memory.
#include <cstring>
#include <random>

#include "tests/unit/ion/pair.h"

namespace {

using ion_test::Shared;
using ion_test::why;

template <uint32_t Slots, uint32_t SlotSize>
class Twins {
    using Shape = ion::FixedGeometry<Slots, SlotSize>;
    using Fixed = std::pair<ion::BasicProducer<ion::SameCore, ion::AtomicWords, Shape>,
                            ion::BasicConsumer<ion::SameCore, ion::AtomicWords, Shape>>;
    using Usual = std::pair<ion::Producer, ion::Consumer>;

  public:
    void step(uint32_t what, uint32_t count) {
        switch (what) {
        case 0:
            both([&](auto& ends) { return code(produce(ends.first)); });
            break;
        case 1:
            both([&](auto& ends) { return code(consume(ends.second)); });
            break;
        case 2:
            both([&](auto& ends) { return claim_some(ends.first, count); });
            break;
        case 3:
            both([&](auto& ends) { return peek_some(ends.second, count); });
            break;
        case 4:
            both([](auto& ends) { return wait(ends.second); });
            break;
        case 5:
            both([](auto& ends) { return wait(ends.first); });
            break;
        default:
            both([](auto& ends) { return uint64_t{ends.first.free()} << 32 | ends.second.empty(); });
        }
        ++number_;
    }

    // What stands in the rings: lines and slots, byte by byte; and what each end knows.
    void compare() {
        EXPECT_EQ(std::memcmp(fixed_memory_.base(), usual_memory_.base(), Shape::bytes()), 0);
        EXPECT_EQ(fixed_.first.position(), usual_.first.position());
        EXPECT_EQ(fixed_.second.position(), usual_.second.position());
        EXPECT_EQ(fixed_.first.high_water(), usual_.first.high_water());
        EXPECT_EQ(fixed_.second.high_water(), usual_.second.high_water());
    }
    void die_and_return() {
        fixed_.first = *decltype(fixed_.first)::resume(fixed_memory_.base());
        fixed_.second = *decltype(fixed_.second)::resume(fixed_memory_.base());
        usual_.first = *ion::Producer::resume(usual_memory_.base(), Shape{});
        usual_.second = *ion::Consumer::resume(usual_memory_.base(), Shape{});
    }
    void close() {
        both([](auto& ends) {
            ends.first.close();
            return uint64_t{0};
        });
    }
    void lie() {
        for (Shared* memory : {&fixed_memory_, &usual_memory_}) {
            auto* const header = static_cast<rumpk_ring_header*>(memory->base());
            header->consumer.position += Slots + 1;
        }
    }

  private:
    template <class Deed>
    void both(Deed deed) {
        EXPECT_EQ(deed(fixed_), deed(usual_)) << "at step " << number_;
    }

    template <class T>
    [[nodiscard]] static uint64_t code(const ion::Result<T>& result) {
        return result ? 1000 + static_cast<uint64_t>(*result) : static_cast<uint64_t>(why(result));
    }
    template <class End>
    [[nodiscard]] ion::Result<bool> produce(End& out) {
        return out.produce(number_, 8, [&](std::byte* payload) { std::memcpy(payload, &number_, 4); });
    }
    template <class End>
    [[nodiscard]] ion::Result<uint64_t> consume(End& in) {
        uint64_t seen = 0;
        auto taken = in.consume([&](const ion::Message& message) {
            seen = message.tag * 100 + ion_test::read_as<uint32_t>(message.payload);
        });
        return taken ? ion::Result<uint64_t>(seen * 2 + *taken) : ion::error(taken.error());
    }
    template <class End>
    [[nodiscard]] uint64_t claim_some(End& out, uint32_t most) {
        auto slots = out.claim_run(most);
        if (!slots) {
            return static_cast<uint64_t>(slots.error());
        }
        for (uint32_t i = 0; i < slots->size(); ++i) {
            std::memcpy((*slots)[i].data(), &number_, 4);
            EXPECT_TRUE(slots->describe(i, number_ + i, 4));
        }
        EXPECT_TRUE(out.commit(slots->size()));
        return 1000 + slots->size();
    }
    template <class End>
    [[nodiscard]] static uint64_t peek_some(End& in, uint32_t most) {
        auto messages = in.peek(most);
        if (!messages) {
            return static_cast<uint64_t>(messages.error());
        }
        uint64_t sum = messages->size();
        for (const ion::Message message : *messages) {
            sum = sum * 31 + message.tag + message.payload.size();
        }
        EXPECT_TRUE(in.release(messages->size() - most % 2 * (messages->size() > 1)));
        return 1000 + sum;
    }
    template <class End>
    [[nodiscard]] static uint64_t wait(End& end) {
        end.arm();
        end.count_wait();
        end.count_bell();
        return end.peer_waiting();
    }

    Shared fixed_memory_{Shape{}};
    Shared usual_memory_{Shape{}};
    Fixed fixed_{fixed_memory_.base(), fixed_memory_.base()};
    Usual usual_{{usual_memory_.base(), Shape{}}, {usual_memory_.base(), Shape{}}};
    uint32_t number_ = 1;
};

template <uint32_t Slots, uint32_t SlotSize>
void lead(uint64_t seed, uint32_t steps) {
    SCOPED_TRACE(testing::Message() << Slots << " slots, seed " << seed);
    Twins<Slots, SlotSize> twins;
    std::mt19937_64 random(seed);
    for (uint32_t i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
        if (random() % 97 == 0) {
            twins.die_and_return();
        }
        twins.step(static_cast<uint32_t>(random() % 7), static_cast<uint32_t>(1 + random() % (Slots + 2)));
        twins.compare();
    }
    if (seed % 2 == 0) {
        twins.lie();
    } else {
        twins.close();
    }
    for (uint32_t i = 0; i < 50 && !testing::Test::HasFailure(); ++i) {
        twins.step(static_cast<uint32_t>(random() % 7), 2);
        twins.compare();
    }
}

TEST(FixedGeometry, does_what_any_geometry_does) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
        lead<1, 32>(seed, 1000);
        lead<4, 32>(seed, 1000);
        lead<8, 80>(seed, 1000);
        lead<64, 64>(seed, 1000);
    }
    lead<2048, 96>(1, 10000); // too large for a near cache: lines are asked for, beyond the last slot as well
}

TEST(FixedGeometry, takes_no_place) {
    using Shape = ion::FixedGeometry<8, 64>;
    EXPECT_LT(sizeof(ion::BasicConsumer<ion::SameCore, ion::AtomicWords, Shape>), sizeof(ion::Consumer));
    EXPECT_EQ(ion::Geometry(Shape{}), ion::Geometry::of(8, 64));
}

TEST(Alike, slots_say_what_is_in_them_from_the_beginning) {
    Shared memory(ion_test::eight);
    using Shape = ion::FixedGeometry<8, 64>;
    ASSERT_TRUE(ion::format_alike({static_cast<std::byte*>(memory.base()), Shape::bytes()}, Shape{}, 5, 8));
    ion::BasicProducer<ion::SameCore, ion::AtomicWords, Shape> out(memory.base());
    ion::BasicConsumer<ion::SameCore, ion::AtomicWords, Shape> in(memory.base());
    for (uint64_t value = 0; value < 20; ++value) {
        ASSERT_EQ(out.produce_alike([&](std::byte* payload) { std::memcpy(payload, &value, 8); }), false);
        const auto message = in.peek(); // as anybody else sees it
        ASSERT_TRUE(message);
        EXPECT_EQ(message->tag, 5u);
        EXPECT_EQ(ion_test::read_as<uint64_t>(message->payload), value);
        EXPECT_EQ(message->payload.size(), 8u);
        uint64_t seen = ~0ull;
        ASSERT_EQ(in.consume_alike([&](std::byte* payload) { std::memcpy(&seen, payload, 8); }), false);
        EXPECT_EQ(seen, value);
    }
    EXPECT_EQ(why(in.consume_alike([](std::byte*) {})), ion::Errno::again);
    EXPECT_EQ(
        why(ion::format_alike({static_cast<std::byte*>(memory.base()), Shape::bytes()}, Shape{}, 5, 49)),
        ion::Errno::inval);
}

} // namespace
