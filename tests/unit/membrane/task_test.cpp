// SPDX-License-Identifier: Apache-2.0
//
// Tasks on a fiber whose kernel the test plays. What is freed too early or never, AddressSanitizer says of
// what a frame holds; the frames themselves are counted.
#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <pthread.h>
#include <string>
#include <vector>

#include "nexus/task.h"
#include "tests/unit/membrane/fake_kernel.h"

namespace {

using nexus::Duration;
using nexus::Errno;
using nexus::error;
using nexus::Instant;
using nexus::task;
using nexus::tasks;

Instant at(int64_t ns) {
    return Instant(Duration(ns));
}

// Says when it is destroyed.
struct Mark {
    std::string* log;
    char name;
    Mark(std::string& to, char what) : log(&to), name(what) {}
    Mark(const Mark&) = delete;
    Mark& operator=(const Mark&) = delete;
    ~Mark() { *log += name; }
};

class TaskTest : public testing::Test {
  protected:
    ~TaskTest() override { EXPECT_EQ(tasks_.frames(), 0u); }

    // The kernel sleeps: it is later.
    void pass_time() {
        kernel_.on_wait = [this](const test::Yield& yield) -> int64_t {
            if (yield.wait == 0 && yield.deadline == 0) {
                return 0; // the end of a turn
            }
            EXPECT_NE(yield.deadline, RUMPK_NEVER);
            kernel_.now = std::max(kernel_.now, static_cast<int64_t>(yield.deadline));
            return yield.wait == 0 ? 0 : -RUMPK_ETIMEDOUT;
        };
    }

    test::FakeKernel kernel_;
    std::vector<std::byte> memory_ = std::vector<std::byte>(16 << 20);
    tasks tasks_{memory_};
    std::string log_;
};

task<int> number(tasks&, int value) {
    co_return value;
}

task<int> sum(tasks& here, int a, int b) {
    const auto first = co_await number(here, a);
    const auto second = co_await number(here, b);
    co_return *first + *second;
}

TEST_F(TaskTest, a_value_comes_back) {
    EXPECT_EQ(tasks_.run(sum(tasks_, 40, 2)), 42);
}

task<nexus::Result<int>> fails(tasks&) {
    co_return error(Errno::io);
}
task<> nothing(tasks&) {
    co_return;
}
task<std::unique_ptr<int>> moves(tasks&) {
    co_return std::make_unique<int>(5);
}

TEST_F(TaskTest, outcomes) {
    static_assert(std::is_same_v<nexus::Outcome<nexus::Result<int>>, nexus::Result<int>>);
    EXPECT_EQ(tasks_.run(fails(tasks_)), error(Errno::io));
    EXPECT_TRUE(tasks_.run(nothing(tasks_)));
    EXPECT_EQ(**tasks_.run(moves(tasks_)), 5);
}

TEST_F(TaskTest, one_that_never_began_is_destroyed) {
    auto value = std::make_shared<int>(1);
    {
        const auto never_run = [](tasks&, std::shared_ptr<int>) -> task<> { co_return; }(tasks_, value);
        EXPECT_EQ(value.use_count(), 2);
        EXPECT_EQ(tasks_.frames(), 1u);
    }
    EXPECT_EQ(value.use_count(), 1);
}

task<> say(tasks& here, std::string& log, char name, int times) {
    for (int i = 0; i < times; ++i) {
        log += name;
        co_await here.yield();
    }
}

TEST_F(TaskTest, ready_ones_take_turns) {
    ASSERT_TRUE(tasks_.spawn(say(tasks_, log_, 'a', 3)));
    ASSERT_TRUE(tasks_.spawn(say(tasks_, log_, 'b', 2)));
    ASSERT_TRUE(tasks_.spawn(say(tasks_, log_, 'c', 3)));
    EXPECT_TRUE(tasks_.run());
    EXPECT_EQ(log_, "abcabcac");
}

TEST_F(TaskTest, other_fibers_get_their_turn) {
    int turns = 0;
    kernel_.on_wait = [&](const test::Yield& yield) -> int64_t {
        EXPECT_EQ(yield.wait | yield.deadline, 0u);
        ++turns;
        return 0;
    };
    EXPECT_TRUE(tasks_.run(say(tasks_, log_, 'x', 1000)));
    EXPECT_EQ(turns, 3);
}

task<int> depth(tasks& here, int levels) {
    if (levels == 0) {
        co_await here.yield();
        co_return 0;
    }
    const auto below = co_await depth(here, levels - 1);
    co_return below ? *below + 1 : 0;
}

void on_a_small_stack(void* (*run)(void*), void* argument) {
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, size_t{256} * 1024);
    pthread_t thread{};
    ASSERT_EQ(pthread_create(&thread, &small, run, argument), 0);
    pthread_join(thread, nullptr);
    pthread_attr_destroy(&small);
}

TEST_F(TaskTest, a_long_chain_needs_no_stack) {
    EXPECT_EQ(tasks_.run(depth(tasks_, 20000)), 20000);
}

task<int> many_at_once(tasks& here, int count) {
    int total = 0;
    for (int i = 0; i < count; ++i) {
        total += *co_await number(here, 1);
    }
    co_return total;
}

TEST_F(TaskTest, nor_do_many_that_end_at_once) {
    EXPECT_EQ(tasks_.run(many_at_once(tasks_, 1'000'000)), 1'000'000);
}

TEST_F(TaskTest, a_long_chain_is_cancelled_without_stack) {
    std::vector<std::byte> memory(size_t{64} << 20);
    on_a_small_stack(
        [](void* bytes) -> void* {
            tasks here{*static_cast<std::vector<std::byte>*>(bytes)};
            EXPECT_TRUE(here.spawn(depth(here, 200'000)));
            EXPECT_TRUE(here.run(number(here, 1)));
            EXPECT_EQ(here.frames(), 200'001u);
            return nullptr;
        },
        &memory);
}

task<> holds(tasks& here, std::string& log, int levels) {
    const Mark mark(log, static_cast<char>('0' + levels));
    if (levels != 0) {
        (void)co_await holds(here, log, levels - 1);
    } else {
        co_await here.sleep_until(at(1'000'000));
    }
    log += "never";
}

TEST_F(TaskTest, cancelling_destroys_the_innermost_first) {
    {
        tasks here{memory_};
        ASSERT_TRUE(here.spawn(holds(here, log_, 3)));
        ASSERT_TRUE(here.run(number(here, 1)));
        EXPECT_EQ(log_, "");
    }
    EXPECT_EQ(log_, "0123");
}

task<> sleeps(tasks& here, std::string& log, char name, int64_t ns) {
    co_await here.sleep_until(at(ns));
    log += name;
}

TEST_F(TaskTest, deadlines_in_their_order) {
    pass_time();
    const int64_t when[] = {5000, 3000, 9000, 3000, 500, 7000};
    for (size_t i = 0; i < std::size(when); ++i) {
        ASSERT_TRUE(tasks_.spawn(sleeps(tasks_, log_, static_cast<char>('a' + i), when[i])));
    }
    EXPECT_TRUE(tasks_.run());
    EXPECT_EQ(log_, "ebdafc");
    EXPECT_EQ(kernel_.now, 9000);
}

TEST_F(TaskTest, a_cancelled_deadline_is_gone) {
    pass_time();
    auto both = [](tasks& here, std::string& log) -> task<size_t> {
        const auto first =
            co_await nexus::when_any(sleeps(here, log, 'a', 9000), sleeps(here, log, 'b', 3000));
        log += '|';
        co_return first.index();
    };
    EXPECT_EQ(tasks_.run(both(tasks_, log_)), 1u);
    EXPECT_EQ(log_, "b|");
    EXPECT_EQ(kernel_.now, 3000);
    EXPECT_TRUE(tasks_.run());
}

TEST_F(TaskTest, all_of_them) {
    pass_time();
    auto all = [](tasks& here, std::string& log) -> task<int> {
        auto [a, slept, b] =
            co_await nexus::when_all(number(here, 1), sleeps(here, log, 's', 2000), fails(here));
        EXPECT_TRUE(slept);
        EXPECT_EQ(b, error(Errno::io));
        co_return *a;
    };
    EXPECT_EQ(tasks_.run(all(tasks_, log_)), 1);
    EXPECT_EQ(log_, "s");
}

TEST_F(TaskTest, the_losers_are_destroyed_before_the_waiter_goes_on) {
    auto any = [](tasks& here, std::string& log) -> task<> {
        const auto goes_on = [&](const auto& won) { // in the statement in which it waited
            log += '|';
            EXPECT_EQ(std::get<1>(won), 7);
        };
        goes_on(co_await nexus::when_any(holds(here, log, 2), number(here, 7)));
    };
    EXPECT_TRUE(tasks_.run(any(tasks_, log_)));
    EXPECT_EQ(log_, "012|");
}

TEST_F(TaskTest, out_of_memory_is_an_error) {
    alignas(4096) static std::byte little[2 * 4096];
    tasks small{little};
    EXPECT_EQ(small.run(many_at_once(small, 10)), 10);
    auto deep = [](tasks& here, auto& self) -> task<nexus::Result<int>> {
        const nexus::Result<int> below = co_await self(here, self);
        if (!below) {
            co_return below;
        }
        co_return *below + 1;
    };
    EXPECT_EQ(small.run(deep(small, deep)), error(Errno::nomem));
    EXPECT_EQ(small.frames(), 0u);
    auto large = [](tasks& here) -> task<int> {
        char room[8000] = {};
        co_await here.yield();
        co_return static_cast<int>(std::strlen(room));
    };
    auto refused = large(tasks_);
    EXPECT_FALSE(refused.has_frame());
    EXPECT_EQ(tasks_.spawn(std::move(refused)), error(Errno::nomem));
    auto together = [&](tasks& here) -> task<bool> {
        const auto [one, two] = co_await nexus::when_all(large(here), number(here, 1));
        EXPECT_EQ(one, error(Errno::nomem));
        EXPECT_EQ(two, 1);
        const auto any = co_await nexus::when_any(number(here, 1), large(here));
        EXPECT_EQ(std::get<1>(any), error(Errno::nomem));
        co_return true;
    };
    EXPECT_EQ(tasks_.run(together(tasks_)), true);
    tasks none{{}};
    EXPECT_EQ(none.run(number(none, 1)), error(Errno::nomem));
}

TEST_F(TaskTest, what_nothing_can_wake_is_said) {
    auto waits = [](tasks& here, nexus::channel<int, 2>& from) -> task<> {
        (void)co_await here.receive(from);
    };
    nexus::channel<int, 2> silent;
    kernel_.on_wait = [&](const test::Yield& yield) -> int64_t {
        EXPECT_EQ(yield.wait, RUMPK_CHANNEL_RX) << "another fiber may still send";
        EXPECT_EQ(yield.deadline, RUMPK_NEVER);
        silent.close();
        return RUMPK_CHANNEL_RX;
    };
    EXPECT_TRUE(tasks_.run(waits(tasks_, silent)));
    struct Forever {
        static bool await_ready() { return false; }
        static void await_suspend(std::coroutine_handle<>) {}
        static void await_resume() {}
    };
    auto lost = [](tasks&) -> task<> { co_await Forever(); };
    EXPECT_EQ(tasks_.run(lost(tasks_)), error(Errno::busy));
}

// --- Channels -------------------------------------------------------------------------------------

task<> feed(tasks& here, nexus::channel<int, 4>& to, int count) {
    for (int i = 0; i < count; ++i) {
        EXPECT_TRUE(co_await here.send(to, i));
    }
    to.close();
}

task<int> drain(tasks& here, nexus::channel<int, 4>& from) {
    int total = 0;
    while (const auto value = co_await here.receive(from)) {
        total += *value;
    }
    co_return total;
}

TEST_F(TaskTest, a_channel_between_two_tasks_makes_no_call) {
    nexus::channel<int, 4> channel;
    ASSERT_TRUE(tasks_.spawn(feed(tasks_, channel, 100)));
    EXPECT_EQ(tasks_.run(drain(tasks_, channel)), 99 * 50);
    EXPECT_LE(kernel_.bells.size(), 1u) << "closing alone rings";
    EXPECT_GT(channel.receive_waits(), 10u);
}

TEST_F(TaskTest, a_channel_from_another_fiber) {
    nexus::channel<int, 4> channel;
    int next = 0;
    kernel_.on_wait = [&](const test::Yield& yield) -> int64_t {
        EXPECT_EQ(yield.wait, RUMPK_CHANNEL_RX);
        const uint64_t me = std::exchange(kernel_.self, 77); // as the other fiber
        EXPECT_TRUE(channel.try_send(next++));
        if (next == 5) {
            channel.close();
        }
        kernel_.self = me;
        return RUMPK_CHANNEL_RX;
    };
    EXPECT_EQ(tasks_.run(drain(tasks_, channel)), 10);
    ASSERT_FALSE(kernel_.bells.empty());
    EXPECT_EQ(kernel_.bells[0].peers, std::vector<uint64_t>{kernel_.self});
}

TEST_F(TaskTest, a_channel_to_another_fiber) {
    nexus::channel<int, 4> channel;
    int seen = 0;
    kernel_.on_wait = [&](const test::Yield&) -> int64_t {
        EXPECT_EQ(channel.try_receive(), seen++);
        return RUMPK_CHANNEL_RX;
    };
    EXPECT_TRUE(tasks_.run(feed(tasks_, channel, 10)));
    EXPECT_EQ(seen, 6);
    EXPECT_EQ(channel.send_waits(), 6u);
}

TEST_F(TaskTest, waits_with_a_deadline) {
    pass_time();
    nexus::channel<int, 1> channel;
    auto late = [](tasks& here, nexus::channel<int, 1>& both) -> task<> {
        EXPECT_EQ(co_await here.receive(both, at(2000)), error(Errno::timedout));
        EXPECT_TRUE(co_await here.send(both, 1, at(3000)));
        EXPECT_EQ((co_await here.send(both, 2, at(3000))).error(), Errno::timedout);
        EXPECT_EQ(co_await here.receive(both, at(1)), 1) << "what is there needs no time";
        EXPECT_EQ(co_await here.receive(both, at(1)), error(Errno::timedout));
    };
    EXPECT_TRUE(tasks_.run(late(tasks_, channel)));
    EXPECT_EQ(kernel_.now, 3000);
    EXPECT_TRUE(kernel_.bells.empty());
    EXPECT_TRUE(channel.try_send(5));
    EXPECT_TRUE(kernel_.bells.empty()) << "nobody waits any more";
}

TEST_F(TaskTest, a_cancelled_wait_leaves_the_channel) {
    pass_time();
    nexus::channel<int, 4> channel;
    auto race = [](tasks& here, nexus::channel<int, 4>& from, std::string& log) -> task<> {
        (void)co_await nexus::when_any(drain(here, from), sleeps(here, log, 't', 4000));
    };
    EXPECT_TRUE(tasks_.run(race(tasks_, channel, log_)));
    EXPECT_TRUE(channel.try_send(5));
    EXPECT_TRUE(kernel_.bells.empty());
    EXPECT_TRUE(tasks_.run(feed(tasks_, channel, 0)));
}

TEST_F(TaskTest, a_task_that_stole_a_bell_hangs_nobody) {
    nexus::channel<int, 4> one;
    nexus::channel<int, 4> other;
    int waits = 0;
    kernel_.on_wait = [&](const test::Yield&) -> int64_t {
        if (++waits == 1) {
            EXPECT_TRUE(one.try_send(1)); // its bell is taken by the blocking receive below
            EXPECT_TRUE(other.try_send(2));
            one.close();
        }
        return RUMPK_CHANNEL_RX;
    };
    auto blocks = [](tasks& here, nexus::channel<int, 4>& from) -> task<> {
        co_await here.yield();
        EXPECT_EQ(from.receive(), 2);
    };
    ASSERT_TRUE(tasks_.spawn(blocks(tasks_, other)));
    EXPECT_EQ(tasks_.run(drain(tasks_, one)), 1);
    EXPECT_EQ(waits, 1);
    EXPECT_TRUE(tasks_.run());
}

// --- Rings and fibers -----------------------------------------------------------------------------

TEST_F(TaskTest, a_ring_of_the_fibers_own) {
    alignas(64) static std::byte memory[ion::Geometry::of(2, 32).bytes()];
    ASSERT_TRUE(ion::format(memory, ion::Geometry::of(2, 32)));
    ion::Producer producer(memory, ion::Geometry::of(2, 32));
    ion::Consumer consumer(memory, ion::Geometry::of(2, 32));
    auto reads = [](tasks& here, ion::Consumer& from) -> task<uint32_t> {
        if (!co_await here.readable(from, RUMPK_CHANNEL_CONSOLE)) {
            co_return 0;
        }
        const uint32_t tag = from.peek()->tag;
        EXPECT_TRUE(from.release());
        EXPECT_EQ((co_await here.readable(from, RUMPK_CHANNEL_CONSOLE, at(1))).error(), Errno::timedout);
        co_return tag;
    };
    int waits = 0;
    kernel_.on_wait = [&](const test::Yield& yield) -> int64_t {
        EXPECT_EQ(yield.wait, RUMPK_CHANNEL_CONSOLE);
        ++waits;
        EXPECT_TRUE(producer.push(9, {}));
        EXPECT_TRUE(producer.peer_waiting());
        return RUMPK_CHANNEL_CONSOLE;
    };
    EXPECT_EQ(tasks_.run(reads(tasks_, consumer)), 9u);
    EXPECT_FALSE(producer.peer_waiting());
    auto writes = [](tasks& here, ion::Producer& to) -> task<> {
        for (uint32_t i = 0; i < 3; ++i) {
            EXPECT_TRUE(co_await here.writable(to));
            EXPECT_TRUE(to.push(i, {}));
        }
    };
    kernel_.on_wait = [&](const test::Yield& yield) -> int64_t {
        EXPECT_EQ(yield.wait, RUMPK_CHANNEL_TX);
        EXPECT_TRUE(consumer.peek() && consumer.release());
        return RUMPK_CHANNEL_TX;
    };
    EXPECT_TRUE(tasks_.run(writes(tasks_, producer)));
    EXPECT_EQ(waits, 1);
}

TEST_F(TaskTest, the_end_of_a_fiber) {
    std::vector<rumpk_spawn_args> spawned;
    kernel_.on_spawn = [&](const rumpk_spawn_args& args) -> int64_t {
        spawned.push_back(args);
        return 0x2'0000'0000;
    };
    auto fiber = *nexus::spawn([this] { log_ += 'f'; });
    auto joins = [](tasks& here, nexus::Fiber& end) -> task<> {
        EXPECT_EQ(co_await here.join(end, at(1)), error(Errno::timedout));
        const auto two = co_await nexus::when_all(
            [](tasks& inner, nexus::Fiber& one) -> task<nexus::Result<int64_t>> {
                co_return co_await inner.join(one);
            }(here, end),
            [](tasks& inner, nexus::Fiber& one) -> task<nexus::Result<int64_t>> {
                co_return co_await inner.join(one);
            }(here, end));
        EXPECT_EQ(std::get<0>(two), 0);
        EXPECT_EQ(std::get<1>(two), error(Errno::busy));
        EXPECT_EQ(co_await here.join(end), 0) << "it may be asked again";
        nexus::Fiber none;
        EXPECT_EQ(co_await here.join(none), error(Errno::inval));
    };
    kernel_.on_wait = [&](const test::Yield&) -> int64_t {
        const uint64_t me = std::exchange(kernel_.self, 0x2'0000'0000);
        reinterpret_cast<rumpk_entry>(spawned[0].entry)(spawned[0].argument);
        kernel_.self = me;
        return RUMPK_CHANNEL_RX;
    };
    EXPECT_TRUE(tasks_.run(joins(tasks_, fiber)));
    EXPECT_EQ(log_, "f");
    std::erase_if(kernel_.bells, [](const test::Yield& yield) { return yield.flags != RUMPK_YIELD_NOWAIT; });
    ASSERT_EQ(kernel_.bells.size(), 1u) << "but for the questions whether it lives";
    EXPECT_EQ(kernel_.bells[0].peers, std::vector<uint64_t>{kernel_.self});
}

TEST_F(TaskTest, a_task_is_small) {
    kernel_.now = 0;
    constexpr size_t count = 10'000;
    {
        tasks here{memory_};
        for (size_t i = 0; i < count; ++i) {
            ASSERT_TRUE(here.spawn(sleeps(here, log_, 'x', 5000)));
        }
        EXPECT_EQ(here.frames(), count);
        EXPECT_LE(here.bytes() / count, 256u);
    }
}

} // namespace
