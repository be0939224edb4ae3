// SPDX-License-Identifier: Apache-2.0
#include "nexus/dialogue.h"

#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "tests/unit/membrane/fake_kernel.h"

namespace {

using nexus::Errno;
using nexus::error;

constexpr uint64_t other_fiber = 0x1'0000'0007;

// The end of a turn, and no wait.
bool is_turn(const test::Yield& yield) {
    return yield.wait == 0 && yield.deadline == 0;
}

// Two channels, whose other ends the test plays: in `on_wait`, while the fiber under test sleeps or others
// have their turns.
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

// The first exchange with a side that sleeps rings it and ends the turn; those that follow park.
struct Parking : Dialogue {
    std::optional<nexus::dialogue<int, 2, int, 2>> dialogue;

    void begin() {
        inside_the_wait = [&] {
            dialogue.emplace(there, back);
            const auto then = std::exchange(kernel.on_wait, [&](const test::Yield& yield) -> int64_t {
                EXPECT_TRUE(is_turn(yield));
                EXPECT_EQ(there.try_receive(), 1);
                EXPECT_TRUE(back.try_send(2));
                return 0;
            });
            EXPECT_EQ(dialogue->exchange(1), 2);
            ASSERT_EQ(kernel.bells.size(), 1u);
            EXPECT_EQ(kernel.bells[0].peers, std::vector<uint64_t>{other_fiber});
            kernel.bells.clear();
            kernel.on_wait = then;
            go_on();
        };
        other_side_sleeps();
    }
    std::function<void()> go_on;
};

TEST_F(Parking, one_call_rings_and_waits) {
    inside = [&](const test::Yield& yield) -> int64_t {
        EXPECT_EQ(yield.wait, RUMPK_CHANNEL_RX);
        EXPECT_EQ(yield.bell, 0u);
        EXPECT_EQ(yield.deadline, RUMPK_NEVER);
        EXPECT_EQ(yield.peers, std::vector<uint64_t>{other_fiber});
        EXPECT_EQ(there.try_receive(), 7);
        EXPECT_TRUE(back.try_send(8));
        return RUMPK_CHANNEL_RX;
    };
    go_on = [&] {
        EXPECT_EQ(dialogue->exchange(7), 8);
        EXPECT_EQ(there.send_statistics().bells, 2u);
        EXPECT_EQ(back.receive_statistics().waits, 1u);
        ASSERT_EQ(kernel.bells.size(), 1u) << "the answer's alone";
        EXPECT_EQ(kernel.bells[0].peers, std::vector<uint64_t>{kernel.self});
    };
    begin();
}

TEST_F(Parking, now_and_then_a_turn_is_tried_instead) {
    uint32_t parks = 0;
    uint32_t turns = 0;
    inside = [&](const test::Yield& yield) -> int64_t {
        (is_turn(yield) ? turns : parks) += 1;
        EXPECT_EQ(there.try_receive(), 3);
        EXPECT_TRUE(back.try_send(4));
        return is_turn(yield) ? 0 : RUMPK_CHANNEL_RX;
    };
    go_on = [&] {
        for (int i = 0; i < 2 * 65; ++i) {
            EXPECT_EQ(dialogue->exchange(3), 4);
            EXPECT_EQ(turns, static_cast<uint32_t>(i + 1) / 65);
        }
        EXPECT_EQ(parks, 2 * 64u);
    };
    begin();
}

TEST_F(Parking, a_wake_up_for_something_else_waits_again) {
    int waits = 0;
    inside = [&](const test::Yield& yield) -> int64_t {
        EXPECT_EQ(yield.peers.size(), waits == 0 ? 1u : 0u);
        if (++waits == 3) {
            EXPECT_TRUE(back.try_send(8));
        }
        return RUMPK_CHANNEL_RX;
    };
    go_on = [&] {
        EXPECT_EQ(dialogue->exchange(7), 8);
        EXPECT_EQ(waits, 3);
    };
    begin();
}

TEST_F(Parking, the_other_side_was_killed_in_its_sleep) {
    int waits = 0;
    inside = [&](const test::Yield& yield) -> int64_t {
        if (++waits == 1) {
            return -RUMPK_ESRCH; // nothing has been waited for
        }
        EXPECT_TRUE(yield.peers.empty());
        EXPECT_TRUE(back.try_send(9)); // whoever has taken over
        return RUMPK_CHANNEL_RX;
    };
    go_on = [&] {
        EXPECT_EQ(dialogue->exchange(7), 9);
        EXPECT_EQ(waits, 2);
    };
    begin();
}

TEST_F(Parking, what_lies_there_already_is_taken_and_the_bell_rung) {
    go_on = [&] {
        ASSERT_TRUE(back.try_send(5));
        EXPECT_EQ(dialogue->exchange(7), 5) << "without a wait";
        ASSERT_EQ(kernel.bells.size(), 1u);
        EXPECT_EQ(kernel.bells[0].peers, std::vector<uint64_t>{other_fiber});
        EXPECT_EQ(back.receive_waits(), 0u);
    };
    begin();
}

TEST_F(Dialogue, who_is_ready_answers_in_its_turn_and_nobody_sleeps) {
    nexus::dialogue dialogue(there, back);
    kernel.on_wait = [&](const test::Yield& yield) -> int64_t {
        EXPECT_TRUE(is_turn(yield));
        EXPECT_TRUE(yield.peers.empty());
        const auto value = there.try_receive();
        EXPECT_TRUE(value && back.try_send(*value + 1));
        return 0;
    };
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(dialogue.exchange(i), i + 1);
    }
    EXPECT_TRUE(kernel.bells.empty());
    EXPECT_EQ(back.receive_waits(), 0u);
}

// What is not answered in a turn is waited for; the next sixteen are at once, and then a turn is tried again.
TEST_F(Dialogue, a_turn_in_vain_is_not_tried_again_at_once) {
    std::string calls;
    kernel.on_wait = [&](const test::Yield& yield) -> int64_t {
        calls += is_turn(yield) ? 't' : 'w';
        if (is_turn(yield)) {
            return 0;
        }
        EXPECT_EQ(yield.wait, RUMPK_CHANNEL_RX);
        const auto value = there.try_receive();
        EXPECT_TRUE(value && back.try_send(*value + 1));
        return RUMPK_CHANNEL_RX;
    };
    nexus::dialogue dialogue(there, back);
    for (int i = 0; i < 18; ++i) {
        EXPECT_EQ(dialogue.exchange(i), i + 1);
    }
    EXPECT_EQ(calls, "tw" + std::string(16, 'w') + "tw");
}

TEST_F(Dialogue, what_lies_there_is_an_answer) {
    kernel.on_wait = [&](const test::Yield& yield) -> int64_t {
        EXPECT_TRUE(is_turn(yield));
        return 0;
    };
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
        if (is_turn(yield)) {
            return 0;
        }
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

// A message that fits into no register goes the same ways.
TEST(DialogueOfLines, does_the_same) {
    struct Line {
        uint64_t words[8];
    };
    test::FakeKernel kernel;
    nexus::channel<Line, 2> there;
    nexus::channel<Line, 2> back;
    nexus::dialogue dialogue(there, back);
    bool late = false;
    kernel.on_wait = [&](const test::Yield& yield) -> int64_t {
        if (late && is_turn(yield)) {
            return 0;
        }
        auto line = there.try_receive();
        if (line) {
            ++line->words[7];
            EXPECT_TRUE(back.try_send(*line));
        }
        return RUMPK_CHANNEL_RX;
    };
    for (uint64_t i = 0; i < 40; ++i) {
        late = i % 20 == 19;
        const auto line = dialogue.exchange(Line{.words = {i, 1, 2, 3, 4, 5, 6, 7}});
        ASSERT_TRUE(line);
        EXPECT_EQ(line->words[0], i);
        EXPECT_EQ(line->words[7], 8u);
    }
    kernel.on_wait = [&](const test::Yield&) -> int64_t {
        back.close();
        return RUMPK_CHANNEL_RX;
    };
    EXPECT_EQ(dialogue.exchange(Line{}).error(), Errno::pipe);
}

} // namespace
