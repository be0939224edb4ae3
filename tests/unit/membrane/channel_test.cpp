// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "nexus/channel.h"
#include "nexus/task.h"
#include "tests/unit/membrane/fake_kernel.h"

namespace {

using nexus::Errno;
using nexus::error;

TEST(Channel, values_arrive_in_order) {
    test::FakeKernel kernel;
    nexus::channel<int, 4> channel;
    EXPECT_EQ(channel.try_receive(), error(Errno::again));
    for (int lap = 0; lap < 5; ++lap) {
        for (int i = 0; i < 4; ++i) {
            EXPECT_TRUE(channel.try_send(lap * 10 + i));
        }
        EXPECT_EQ(channel.try_send(99).error(), Errno::again);
        for (int i = 0; i < 4; ++i) {
            EXPECT_EQ(channel.try_receive(), lap * 10 + i);
        }
    }
    EXPECT_TRUE(kernel.bells.empty());
}

TEST(Channel, moves_what_cannot_be_copied) {
    test::FakeKernel kernel;
    nexus::channel<std::unique_ptr<std::string>, 2> channel;
    auto first = std::make_unique<std::string>("first, long enough to live on the heap");
    ASSERT_TRUE(channel.send(std::move(first)));
    EXPECT_EQ(first, nullptr);
    ASSERT_TRUE(channel.send(std::make_unique<std::string>("second")));
    auto refused = std::make_unique<std::string>("third");
    EXPECT_FALSE(channel.try_send(std::move(refused)));
    EXPECT_NE(refused, nullptr) << "a value that was not sent stays with its owner";
    EXPECT_EQ(**channel.receive(), "first, long enough to live on the heap");
    // What nobody receives is destroyed with the channel: LeakSanitizer would say so.
}

TEST(Channel, a_closed_channel_gives_what_it_holds) {
    test::FakeKernel kernel;
    nexus::channel<int, 4> channel;
    ASSERT_TRUE(channel.send(1));
    channel.close();
    EXPECT_EQ(channel.send(2).error(), Errno::pipe);
    EXPECT_EQ(channel.receive(), 1);
    EXPECT_EQ(channel.receive(), error(Errno::pipe));
}

TEST(Channel, the_receiver_sleeps_and_is_rung) {
    test::FakeKernel kernel;
    nexus::channel<int, 4> channel;
    kernel.on_wait = [&](const test::Yield& yield) -> int64_t {
        EXPECT_EQ(yield.wait, RUMPK_CHANNEL_RX);
        EXPECT_EQ(yield.deadline, RUMPK_NEVER);
        EXPECT_TRUE(channel.send(7)); // as the sending fiber
        return RUMPK_CHANNEL_RX;
    };
    EXPECT_EQ(channel.receive(), 7);
    ASSERT_EQ(kernel.bells.size(), 1u);
    EXPECT_EQ(kernel.bells[0].peers, std::vector<uint64_t>{kernel.self});
    EXPECT_EQ(channel.receive_waits(), 1u);
    EXPECT_TRUE(channel.send(8));
    EXPECT_EQ(kernel.bells.size(), 1u) << "nobody sleeps any more";
}

TEST(Channel, the_sender_sleeps_and_is_rung) {
    test::FakeKernel kernel;
    nexus::channel<int, 2> channel;
    ASSERT_TRUE(channel.send(1));
    ASSERT_TRUE(channel.send(2));
    int waits = 0;
    kernel.on_wait = [&](const test::Yield&) -> int64_t {
        if (++waits == 2) {
            EXPECT_EQ(channel.receive(), 1);
        }
        return RUMPK_CHANNEL_RX; // the first wake is for something else
    };
    EXPECT_TRUE(channel.send(3));
    EXPECT_EQ(waits, 2);
    EXPECT_EQ(channel.send_waits(), 2u);
    ASSERT_EQ(kernel.bells.size(), 1u);
    EXPECT_EQ(kernel.bells[0].peers, std::vector<uint64_t>{kernel.self});
    EXPECT_EQ(channel.receive(), 2);
    EXPECT_EQ(channel.receive(), 3);
}

TEST(Channel, closing_wakes_the_receiver) {
    test::FakeKernel kernel;
    nexus::channel<int, 2> channel;
    kernel.on_wait = [&](const test::Yield&) -> int64_t {
        channel.close();
        return RUMPK_CHANNEL_RX;
    };
    EXPECT_EQ(channel.receive(), error(Errno::pipe));
    EXPECT_EQ(kernel.bells.size(), 1u);
}

TEST(Channel, deadlines) {
    test::FakeKernel kernel;
    nexus::channel<int, 1> channel;
    const nexus::Instant past(nexus::Duration(1));
    const nexus::Instant later(nexus::Duration(5000));
    EXPECT_EQ(channel.receive(past), error(Errno::again));
    kernel.on_wait = [](const test::Yield& yield) -> int64_t {
        EXPECT_EQ(yield.deadline, 5000u);
        return -RUMPK_ETIMEDOUT;
    };
    EXPECT_EQ(channel.receive(later), error(Errno::timedout));
    ASSERT_TRUE(channel.send(1));
    EXPECT_EQ(channel.send(2, past).error(), Errno::again);
    EXPECT_EQ(channel.send(2, later).error(), Errno::timedout);
    kernel.on_wait = [&](const test::Yield&) -> int64_t {
        EXPECT_EQ(channel.receive(), 1);
        return -RUMPK_ETIMEDOUT; // just too late, and yet there is room
    };
    EXPECT_TRUE(channel.send(2, later));
}

TEST(Channel, who_has_waited_for_something_else_until_the_deadline_is_timed_out) {
    test::FakeKernel kernel;
    nexus::channel<int, 1> channel;
    int64_t waits = 0;
    kernel.on_wait = [&](const test::Yield& yield) -> int64_t {
        ++waits;
        kernel.now = static_cast<int64_t>(yield.deadline);
        return RUMPK_CHANNEL_RX;
    };
    EXPECT_EQ(channel.receive(nexus::Instant(nexus::Duration(5000))), error(Errno::timedout));
    EXPECT_EQ(channel.receive_some(2, nexus::Instant(nexus::Duration(6000))).error(), Errno::timedout);
    ASSERT_TRUE(channel.send(1));
    EXPECT_EQ(channel.send(2, nexus::Instant(nexus::Duration(7000))).error(), Errno::timedout);
    EXPECT_EQ(waits, 3);
}

// A reference or a constant in it: it can be moved, and nothing be assigned to it.
TEST(Channel, moves_what_cannot_be_assigned) {
    struct Constant {
        const int value;
    };
    static_assert(!std::is_move_assignable_v<Constant>);
    test::FakeKernel kernel;
    nexus::channel<Constant, 2> channel;
    ASSERT_TRUE(channel.send(Constant{1}));
    EXPECT_EQ(channel.receive()->value, 1);
    EXPECT_EQ(channel.receive(nexus::Instant{}).error(), Errno::again);
}

nexus::task<> receives(nexus::tasks& here, nexus::channel<int, 1>& from, nexus::Result<int>& got) {
    got = co_await here.receive(from);
}
nexus::task<> sends(nexus::tasks& here, nexus::channel<int, 1>& to, int value, nexus::Result<void>& sent) {
    sent = co_await here.send(to, value);
}

// The second is refused; the first goes on waiting, and is woken.
TEST(Channel, one_task_waits_at_each_side) {
    test::FakeKernel kernel;
    std::vector<std::byte> memory(1 << 16);
    nexus::tasks tasks{memory};
    nexus::channel<int, 1> channel;
    std::array<nexus::Result<int>, 3> got{};
    std::array<nexus::Result<void>, 4> sent{};
    ASSERT_TRUE(tasks.spawn(receives(tasks, channel, got[0])));
    ASSERT_TRUE(tasks.spawn(receives(tasks, channel, got[1])));
    ASSERT_TRUE(tasks.spawn(sends(tasks, channel, 7, sent[0])));
    EXPECT_TRUE(tasks.run());
    EXPECT_EQ(got[0], 7);
    EXPECT_EQ(got[1], error(Errno::busy));
    for (int i = 1; i <= 3; ++i) {
        ASSERT_TRUE(tasks.spawn(sends(tasks, channel, i, sent[i])));
    }
    ASSERT_TRUE(tasks.spawn(receives(tasks, channel, got[2])));
    EXPECT_TRUE(tasks.run());
    EXPECT_EQ(got[2], 1);
    EXPECT_TRUE(sent[2]);
    EXPECT_EQ(sent[3], error(Errno::busy));
    EXPECT_EQ(channel.try_receive(), 2);
    EXPECT_TRUE(kernel.bells.empty());
}

} // namespace
