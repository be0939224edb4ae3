// SPDX-License-Identifier: Apache-2.0
#include "nexus/dialogue.h"

#include <gtest/gtest.h>
#include <memory>

#include "tests/unit/membrane/fake_kernel.h"

namespace {

using nexus::Errno;
using nexus::error;

constexpr uint64_t other_fiber = 0x1'0000'0007;

// Two channels, whose other ends the test plays: in `on_wait`, while the fiber under test sleeps.
struct Dialogue : testing::Test {
    test::FakeKernel kernel;
    nexus::channel<int, 2> there;
    nexus::channel<int, 2> back;

    // The other side sleeps in its receive.
    void other_side_sleeps() {
        const uint64_t me = kernel.self;
        kernel.self = other_fiber;
        kernel.on_wait = [&](const test::Yield&) -> int64_t {
            kernel.self = me;
            kernel.on_wait = inside;
            inside_the_wait();
            kernel.self = other_fiber;
            there.close();
            return RUMPK_CHANNEL_RX;
        };
        (void)there.receive();
    }
    std::function<int64_t(const test::Yield&)> inside;
    std::function<void()> inside_the_wait;
};

TEST_F(Dialogue, one_call_rings_and_waits) {
    inside = [&](const test::Yield& yield) -> int64_t {
        EXPECT_EQ(yield.wait, RUMPK_CHANNEL_RX);
        EXPECT_EQ(yield.bell, 0u);
        EXPECT_EQ(yield.deadline, RUMPK_NEVER);
        EXPECT_EQ(yield.peers, std::vector<uint64_t>{other_fiber});
        EXPECT_EQ(there.try_receive(), 7);
        EXPECT_TRUE(back.try_send(8));
        return RUMPK_CHANNEL_RX;
    };
    inside_the_wait = [&] {
        nexus::dialogue dialogue(there, back);
        EXPECT_EQ(dialogue.exchange(7), 8);
        EXPECT_EQ(there.send_statistics().bells, 1u);
        EXPECT_EQ(back.receive_statistics().waits, 1u);
        ASSERT_EQ(kernel.bells.size(), 1u) << "the answer's alone";
        EXPECT_EQ(kernel.bells[0].peers, std::vector<uint64_t>{kernel.self});
    };
    other_side_sleeps();
}

TEST_F(Dialogue, a_wake_up_for_something_else_waits_again) {
    int waits = 0;
    inside = [&](const test::Yield& yield) -> int64_t {
        EXPECT_EQ(yield.peers.size(), waits == 0 ? 1u : 0u);
        if (++waits == 3) {
            EXPECT_TRUE(back.try_send(8));
        }
        return RUMPK_CHANNEL_RX;
    };
    inside_the_wait = [&] {
        nexus::dialogue dialogue(there, back);
        EXPECT_EQ(dialogue.exchange(7), 8);
        EXPECT_EQ(waits, 3);
    };
    other_side_sleeps();
}

TEST_F(Dialogue, the_other_side_was_killed_in_its_sleep) {
    int waits = 0;
    inside = [&](const test::Yield& yield) -> int64_t {
        if (++waits == 1) {
            return -RUMPK_ESRCH; // nothing has been waited for
        }
        EXPECT_TRUE(yield.peers.empty());
        EXPECT_TRUE(back.try_send(9)); // whoever has taken over
        return RUMPK_CHANNEL_RX;
    };
    inside_the_wait = [&] {
        nexus::dialogue dialogue(there, back);
        EXPECT_EQ(dialogue.exchange(7), 9);
        EXPECT_EQ(waits, 2);
    };
    other_side_sleeps();
}

TEST_F(Dialogue, what_lies_there_already_is_taken_and_the_bell_rung) {
    inside_the_wait = [&] {
        ASSERT_TRUE(back.try_send(5));
        nexus::dialogue dialogue(there, back);
        EXPECT_EQ(dialogue.exchange(7), 5) << "without a wait";
        ASSERT_EQ(kernel.bells.size(), 1u);
        EXPECT_EQ(kernel.bells[0].peers, std::vector<uint64_t>{other_fiber});
        EXPECT_EQ(back.receive_waits(), 0u);
    };
    other_side_sleeps();
}

TEST_F(Dialogue, nobody_sleeps_and_nobody_is_rung) {
    ASSERT_TRUE(back.try_send(5));
    nexus::dialogue dialogue(there, back);
    EXPECT_EQ(dialogue.exchange(7), 5);
    EXPECT_TRUE(kernel.bells.empty());
    EXPECT_EQ(there.try_receive(), 7);
}

TEST_F(Dialogue, errors_are_those_of_send_and_of_receive) {
    nexus::dialogue dialogue(there, back);
    const nexus::Instant past(nexus::Duration(1));
    const nexus::Instant later(nexus::Duration(5000));
    EXPECT_EQ(dialogue.exchange(1, past), error(Errno::again)) << "sent, and nothing has come";
    EXPECT_EQ(there.try_receive(), 1);
    kernel.on_wait = [](const test::Yield& yield) -> int64_t {
        EXPECT_EQ(yield.deadline, 5000u);
        return -RUMPK_ETIMEDOUT;
    };
    EXPECT_EQ(dialogue.exchange(2, later), error(Errno::timedout));
    ASSERT_TRUE(there.try_send(3));
    EXPECT_EQ(dialogue.exchange(4, later), error(Errno::timedout)) << "no room";
    EXPECT_EQ(there.try_receive(), 2);
    EXPECT_EQ(there.try_receive(), 3);
    EXPECT_EQ(there.try_receive(), error(Errno::again)) << "and not sent";
    back.close();
    EXPECT_EQ(dialogue.exchange(5), error(Errno::pipe));
    EXPECT_EQ(there.try_receive(), 5) << "but sent";
    there.close();
    EXPECT_EQ(dialogue.exchange(6), error(Errno::pipe));
}

TEST_F(Dialogue, waits_for_room_as_send_does) {
    ASSERT_TRUE(there.try_send(1));
    ASSERT_TRUE(there.try_send(2));
    int waits = 0;
    kernel.on_wait = [&](const test::Yield&) -> int64_t {
        if (++waits == 1) {
            EXPECT_EQ(there.try_receive(), 1);
        } else {
            EXPECT_TRUE(back.try_send(4));
        }
        return RUMPK_CHANNEL_RX;
    };
    nexus::dialogue dialogue(there, back);
    EXPECT_EQ(dialogue.exchange(3), 4);
    EXPECT_EQ(there.send_waits(), 1u);
}

TEST(DialogueOfPointers, a_value_that_was_not_sent_stays) {
    test::FakeKernel kernel;
    nexus::channel<std::unique_ptr<int>, 1> there;
    nexus::channel<int, 1> back;
    nexus::dialogue dialogue(there, back);
    there.close();
    auto value = std::make_unique<int>(1);
    EXPECT_EQ(dialogue.exchange(std::move(value)), error(Errno::pipe));
    EXPECT_NE(value, nullptr);
}

} // namespace
