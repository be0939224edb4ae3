// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "native/input.h"
#include "native/output.h"
#include "tests/unit/membrane/fake_kernel.h"

namespace {

using nexus::Errno;
using nexus::error;
using nexus::console::Input;
using nexus::console::Output;
using nexus::console::Stream;
using Strings = std::vector<std::string>;

// As console::write does, on an Output of the test's own.
void put(Output& output, Stream stream, std::string_view text) {
    while (!text.empty()) {
        const auto room = output.room(stream, nexus::never);
        ASSERT_TRUE(room);
        const size_t part = std::min(room->size(), text.size());
        std::copy_n(reinterpret_cast<const std::byte*>(text.data()), part, room->data());
        output.commit(part);
        text.remove_prefix(part);
    }
}

std::string text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(Output, collects_until_flush) {
    test::FakeKernel kernel;
    Output output;
    put(output, Stream::output, "one ");
    put(output, Stream::output, "two");
    EXPECT_EQ(kernel.drain(), Strings{});
    output.flush();
    output.flush();
    EXPECT_EQ(kernel.drain(), Strings{"o:one two"});
}

TEST(Output, a_full_slot_leaves_by_itself) {
    test::FakeKernel kernel;
    Output output;
    put(output, Stream::output, std::string(test::capacity, 'x'));
    EXPECT_EQ(kernel.drain(), Strings{"o:" + std::string(test::capacity, 'x')});
    put(output, Stream::output, std::string(test::capacity + 3, 'y'));
    EXPECT_EQ(kernel.drain().size(), 1u);
    output.flush();
    EXPECT_EQ(kernel.drain(), Strings{"o:yyy"});
}

TEST(Output, what_fits_in_a_slot_is_not_cut) {
    test::FakeKernel kernel;
    Output output;
    put(output, Stream::output, "half a line, ");
    EXPECT_EQ(output.room(Stream::output, nexus::never, test::capacity)->size(), test::capacity);
    EXPECT_EQ(kernel.drain(), Strings{"o:half a line, "});
    put(output, Stream::output, "more");
    EXPECT_EQ(output.room(Stream::output, nexus::never, test::capacity + 1)->size(), test::capacity - 4)
        << "what does not fit anyway begins where there is room";
    EXPECT_EQ(kernel.drain(), Strings{});
}

TEST(Output, streams_stay_in_order) {
    test::FakeKernel kernel;
    Output output;
    put(output, Stream::output, "half");
    put(output, Stream::error, "oops");
    put(output, Stream::output, "other half");
    output.flush();
    EXPECT_EQ(kernel.drain(), (Strings{"o:half", "e:oops", "o:other half"}));
}

TEST(Output, rings_only_a_console_that_sleeps) {
    test::FakeKernel kernel;
    Output output;
    put(output, Stream::output, "quiet");
    output.flush();
    EXPECT_TRUE(kernel.bells.empty());
    kernel.tx().arm();
    put(output, Stream::output, "loud");
    output.flush();
    ASSERT_EQ(kernel.bells.size(), 1u);
    EXPECT_EQ(kernel.bells[0].bell, RUMPK_CHANNEL_CONSOLE);
    EXPECT_EQ(kernel.bells[0].wait, 0u);
    EXPECT_EQ(output.statistics().producer.bells, 1u);
}

TEST(Output, waits_while_the_ring_is_full) {
    test::FakeKernel kernel;
    Output output;
    Strings taken;
    kernel.on_wait = [&](const test::Yield& yield) {
        EXPECT_EQ(yield.wait, RUMPK_CHANNEL_CONSOLE);
        EXPECT_EQ(yield.deadline, RUMPK_NEVER);
        EXPECT_TRUE(kernel.tx().peer_waiting());
        for (const std::string& message : kernel.drain()) {
            taken.push_back(message);
        }
        return static_cast<int64_t>(RUMPK_CHANNEL_CONSOLE);
    };
    for (char c = 'a'; c < 'a' + 10; ++c) {
        put(output, Stream::output, std::string(test::capacity, c));
    }
    for (const std::string& message : kernel.drain()) {
        taken.push_back(message);
    }
    ASSERT_EQ(taken.size(), 10u);
    for (size_t i = 0; i < taken.size(); ++i) {
        EXPECT_EQ(taken[i], "o:" + std::string(test::capacity, static_cast<char>('a' + i)));
    }
    EXPECT_FALSE(kernel.tx().peer_waiting());
    EXPECT_EQ(output.statistics().producer.waits, 2u);
}

TEST(Output, spurious_wakes_and_deadlines) {
    test::FakeKernel kernel;
    Output output;
    put(output, Stream::output, std::string(test::slots * test::capacity, 'x'));
    EXPECT_EQ(output.room(Stream::output, nexus::Instant{}), error(Errno::again));
    int waits = 0;
    kernel.on_wait = [&](const test::Yield& yield) -> int64_t {
        EXPECT_EQ(yield.deadline, 5000u);
        return ++waits < 3 ? static_cast<int64_t>(RUMPK_CHANNEL_CONSOLE) : -RUMPK_ETIMEDOUT;
    };
    const auto deadline = nexus::Instant(nexus::Duration(5000));
    EXPECT_EQ(output.room(Stream::output, deadline), error(Errno::timedout));
    EXPECT_EQ(waits, 3);
    EXPECT_FALSE(kernel.tx().peer_waiting());
}

// Two fibers wait for room; the first to wake must leave the ring armed for the other.
TEST(Output, stays_armed_while_another_fiber_sleeps) {
    test::FakeKernel kernel;
    Output output;
    put(output, Stream::output, std::string(test::slots * test::capacity, 'x'));
    bool inner = false;
    kernel.on_wait = [&](const test::Yield&) -> int64_t {
        if (!inner) {
            inner = true; // as if a second fiber came here while the first sleeps, and its deadline passes
            EXPECT_EQ(output.room(Stream::error, nexus::Instant(nexus::Duration(9000))),
                      error(Errno::timedout));
            EXPECT_TRUE(kernel.tx().peer_waiting());
            (void)kernel.drain();
            return RUMPK_CHANNEL_CONSOLE;
        }
        return -RUMPK_ETIMEDOUT;
    };
    EXPECT_TRUE(output.room(Stream::output, nexus::never));
    EXPECT_FALSE(kernel.tx().peer_waiting());
}

// While one fiber waits for room another writes: nothing is lost, nothing torn.
TEST(Output, another_fiber_takes_the_slot_meanwhile) {
    test::FakeKernel kernel;
    Output output;
    put(output, Stream::output, std::string(test::slots * test::capacity, 'x'));
    kernel.on_wait = [&](const test::Yield&) -> int64_t {
        (void)kernel.drain();
        put(output, Stream::error, "other");
        return RUMPK_CHANNEL_CONSOLE;
    };
    put(output, Stream::output, "mine");
    output.flush();
    EXPECT_EQ(kernel.drain(), (Strings{"e:other", "o:mine"}));
}

TEST(Output, a_closed_console_is_epipe) {
    test::FakeKernel kernel;
    Output output;
    put(output, Stream::output, std::string(test::slots * test::capacity, 'x'));
    kernel.tx().close();
    EXPECT_EQ(output.room(Stream::output, nexus::never), error(Errno::pipe));
}

TEST(Output, commit_of_more_than_the_room_is_clamped) {
    test::FakeKernel kernel;
    Output output;
    ASSERT_TRUE(output.room(Stream::output, nexus::never));
    output.commit(1000);
    output.commit(1);
    EXPECT_EQ(kernel.drain().size(), 1u);
}

TEST(Input, gives_messages_where_they_lie) {
    test::FakeKernel kernel;
    Input input;
    kernel.feed("hello");
    kernel.feed("world");
    EXPECT_EQ(text_of(*input.next(nexus::never)), "hello");
    input.consume(2);
    EXPECT_EQ(text_of(*input.next(nexus::never)), "llo");
    EXPECT_EQ(input.statistics().consumer.position, 0u);
    input.consume(3);
    EXPECT_EQ(input.statistics().consumer.position, 1u);
    EXPECT_EQ(text_of(*input.next(nexus::never)), "world");
    input.consume(100);
    EXPECT_EQ(input.next(nexus::Instant{}), error(Errno::again));
    EXPECT_EQ(input.statistics().consumer.waits, 0u);
}

TEST(Input, the_end_stays_the_end) {
    test::FakeKernel kernel;
    Input input;
    kernel.feed("x");
    kernel.end_input();
    EXPECT_EQ(input.next(nexus::never)->size(), 1u);
    input.consume(1);
    EXPECT_TRUE(input.next(nexus::never)->empty());
    EXPECT_TRUE(input.next(nexus::never)->empty());
    kernel.rx().arm();
    input.consume(1);
    EXPECT_EQ(input.statistics().consumer.position, 2u);
    EXPECT_TRUE(kernel.bells.empty()) << "there was nothing to give back";
}

TEST(Input, a_closed_console_is_the_end_after_all_bytes) {
    test::FakeKernel kernel;
    Input input;
    kernel.feed("last");
    kernel.rx().close();
    EXPECT_EQ(text_of(*input.next(nexus::never)), "last");
    input.consume(4);
    EXPECT_TRUE(input.next(nexus::never)->empty());
}

TEST(Input, unknown_tags_and_empty_messages_are_ignored) {
    test::FakeKernel kernel;
    Input input;
    ASSERT_TRUE(kernel.rx().push(77, {}));
    kernel.feed("");
    kernel.feed("seen");
    EXPECT_EQ(text_of(*input.next(nexus::never)), "seen");
}

TEST(Input, waits_and_rings) {
    test::FakeKernel kernel;
    Input input;
    kernel.on_wait = [&](const test::Yield& yield) {
        EXPECT_EQ(yield.wait, RUMPK_CHANNEL_CONSOLE);
        EXPECT_TRUE(kernel.rx().peer_waiting());
        kernel.feed("late");
        return static_cast<int64_t>(RUMPK_CHANNEL_CONSOLE);
    };
    EXPECT_EQ(text_of(*input.next(nexus::never)), "late");
    EXPECT_FALSE(kernel.rx().peer_waiting());
    EXPECT_EQ(input.statistics().consumer.waits, 1u);
    EXPECT_TRUE(kernel.bells.empty());
    kernel.rx().arm();
    input.consume(4);
    ASSERT_EQ(kernel.bells.size(), 1u);
    EXPECT_EQ(kernel.bells[0].bell, RUMPK_CHANNEL_CONSOLE);
}

// A message comes after the first look and before the ring is armed: nobody will ring for it.
TEST(Input, looks_again_after_arming) {
    test::FakeKernel kernel;
    Input input;
    kernel.on_time = [&] { kernel.feed("just in time"); };
    EXPECT_EQ(text_of(*input.next(nexus::Instant(nexus::Duration(5000)))), "just in time");
    EXPECT_EQ(input.statistics().consumer.waits, 0u);
}

TEST(Output, looks_again_after_arming) {
    test::FakeKernel kernel;
    Output output;
    put(output, Stream::output, std::string(test::slots * test::capacity, 'x'));
    kernel.on_time = [&] { (void)kernel.drain(); };
    EXPECT_TRUE(output.room(Stream::output, nexus::Instant(nexus::Duration(5000))));
    EXPECT_EQ(output.statistics().producer.waits, 0u);
}

TEST(Input, a_lying_producer_is_eio) {
    test::FakeKernel kernel;
    Input input;
    kernel.feed("x");
    auto* slot = reinterpret_cast<rumpk_slot_header*>(nexus::systable().ring[RUMPK_RING_RX].base +
                                                      RUMPK_RING_HEADER_SIZE);
    slot->length = 1u << 20;
    EXPECT_EQ(input.next(nexus::never), error(Errno::io));
}

TEST(WithoutRings, output_goes_by_call) {
    test::FakeKernel kernel;
    kernel.hide_rings();
    Output output;
    put(output, Stream::output, "one ");
    put(output, Stream::error, "two ");
    EXPECT_EQ(kernel.written, "one ");
    put(output, Stream::error, std::string(1000, 'x'));
    output.flush();
    EXPECT_EQ(kernel.written, "one two " + std::string(1000, 'x'));
    EXPECT_EQ(output.statistics().slots, 0u);
}

TEST(WithoutRings, input_comes_by_call_and_is_asked_for_again) {
    test::FakeKernel kernel;
    kernel.hide_rings();
    Input input;
    int asked = 0;
    kernel.on_read = [&](std::span<char> buffer) -> int64_t {
        ++asked;
        if (asked < 3) {
            return -RUMPK_EAGAIN;
        }
        buffer[0] = 'x';
        return asked == 3 ? 1 : 0;
    };
    int slept = 0;
    kernel.on_wait = [&](const test::Yield& yield) -> int64_t {
        ++slept;
        EXPECT_EQ(yield.wait, 0u);
        EXPECT_EQ(yield.deadline, static_cast<uint64_t>(kernel.now) + 1'000'000);
        return 0;
    };
    EXPECT_EQ(input.next(nexus::Instant{}), error(Errno::again));
    EXPECT_EQ(text_of(*input.next(nexus::never)), "x");
    EXPECT_EQ(slept, 1);
    input.consume(1);
    EXPECT_TRUE(input.next(nexus::never)->empty());
    EXPECT_TRUE(input.next(nexus::never)->empty());
    EXPECT_EQ(asked, 4) << "the end stays the end";
}

} // namespace
