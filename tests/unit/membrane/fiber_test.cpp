// SPDX-License-Identifier: Apache-2.0
//
// Spawning and joining. The test runs a fiber's entry when it likes, on its own stack. What is freed too
// early or never, AddressSanitizer says.
#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <vector>

#include "nexus/fiber.h"
#include "tests/unit/membrane/fake_kernel.h"

namespace {

using nexus::Errno;
using nexus::error;
using nexus::FiberId;

class FiberTest : public testing::Test {
  protected:
    FiberTest() {
        kernel_.on_spawn = [this](const rumpk_spawn_args& args) { return begin(args); };
        kernel_.on_kill = [this](uint64_t id, uint64_t) -> int64_t {
            return alive_.erase(id) != 0 ? 0 : -RUMPK_ESRCH;
        };
        kernel_.is_alive = [this](uint64_t id) {
            ++looked_for_;
            return alive_.contains(id);
        };
    }

    // What the test let go is freed by spawns; AddressSanitizer finds what is not.
    ~FiberTest() override {
        alive_.clear();
        for (uint32_t i = 0; i < test::fiber_slots / 2; ++i) {
            (void)nexus::spawn([] {})->kill();
        }
    }

    int64_t begin(const rumpk_spawn_args& args) {
        last_ = args;
        uint32_t slot = 1;
        while (is_taken(slot)) {
            ++slot;
        }
        const uint64_t id = ++lives_ << 32 | slot;
        alive_[id] = args;
        return static_cast<int64_t>(id);
    }

    [[nodiscard]] bool is_taken(uint32_t slot) const {
        return std::ranges::any_of(
            alive_, [&](const auto& fiber) { return static_cast<uint32_t>(fiber.first) == slot; });
    }

    // The fiber's whole life.
    void run(FiberId fiber) {
        const auto id = static_cast<uint64_t>(fiber);
        const rumpk_spawn_args args = alive_.at(id);
        const uint64_t caller = std::exchange(kernel_.self, id);
        reinterpret_cast<rumpk_entry>(args.entry)(args.argument);
        kernel_.self = caller;
        alive_.erase(id);
    }

    test::FakeKernel kernel_;
    std::map<uint64_t, rumpk_spawn_args> alive_;
    rumpk_spawn_args last_{};
    uint32_t looked_for_ = 0;          // fibers, whether they live
    static inline uint64_t lives_ = 0; // of all slots, over all tests: the membrane remembers its own
};

void entry(uint64_t) {}

TEST_F(FiberTest, options_become_arguments) {
    alignas(16) static std::byte stack[2048];
    const auto fiber = nexus::spawn(entry, 5,
                                    {.name = "a name of more than sixteen bytes",
                                     .tier = nexus::Tier::photon,
                                     .core = 1,
                                     .stack = stack,
                                     .rx = {4, 64},
                                     .tx = {8, 128},
                                     .bare = true});
    ASSERT_TRUE(fiber);
    EXPECT_EQ(last_.size, sizeof last_);
    EXPECT_EQ(last_.flags, RUMPK_SPAWN_BARE);
    EXPECT_EQ(last_.entry, reinterpret_cast<uintptr_t>(entry));
    EXPECT_EQ(last_.argument, 5u);
    EXPECT_EQ(last_.tier, static_cast<uint32_t>(RUMPK_TIER_PHOTON));
    EXPECT_EQ(last_.core, 1u);
    EXPECT_EQ(last_.stack_base, reinterpret_cast<uintptr_t>(stack));
    EXPECT_EQ(last_.stack_size, sizeof stack);
    EXPECT_EQ(last_.rx_slots, 4u);
    EXPECT_EQ(last_.tx_slot_size, 128u);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(last_.name), 16), "a name of more t");
}

TEST_F(FiberTest, a_fiber_runs_its_callable_and_can_be_joined) {
    int ran = 0;
    auto fiber = nexus::spawn([&ran] { ++ran; });
    ASSERT_TRUE(fiber);
    EXPECT_NE(fiber->id(), FiberId::none);
    kernel_.on_wait = [&](const test::Yield& yield) -> int64_t {
        EXPECT_EQ(yield.wait, RUMPK_CHANNEL_RX);
        run(fiber->id());
        return RUMPK_CHANNEL_RX;
    };
    EXPECT_EQ(fiber->join(), 0);
    EXPECT_EQ(ran, 1);
    ASSERT_EQ(kernel_.bells.size(), 1u);
    EXPECT_EQ(kernel_.bells[0].peers, std::vector<uint64_t>{kernel_.self});
    EXPECT_EQ(fiber->join(), 0) << "it may be asked again";
}

TEST_F(FiberTest, one_that_has_ended_is_joined_at_once) {
    auto fiber = nexus::spawn([] {});
    run(fiber->id());
    EXPECT_EQ(fiber->join(), 0);
    EXPECT_TRUE(kernel_.bells.empty());
}

TEST_F(FiberTest, a_join_may_give_up) {
    auto fiber = nexus::spawn([] {});
    kernel_.on_wait = [](const test::Yield& yield) -> int64_t {
        EXPECT_EQ(yield.deadline, 5000u);
        return -RUMPK_ETIMEDOUT;
    };
    EXPECT_EQ(fiber->join(nexus::Instant(nexus::Duration(5000))), error(Errno::timedout));
    run(fiber->id());
    EXPECT_TRUE(kernel_.bells.empty()) << "nobody waits any more";
    EXPECT_EQ(fiber->join(), 0);
}

TEST_F(FiberTest, two_cannot_join_one) {
    auto fiber = nexus::spawn([] {});
    kernel_.on_wait = [&](const test::Yield&) -> int64_t {
        const uint64_t first = std::exchange(kernel_.self, 77);
        EXPECT_EQ(fiber->join(), error(Errno::busy));
        kernel_.self = first;
        run(fiber->id());
        return RUMPK_CHANNEL_RX;
    };
    EXPECT_EQ(fiber->join(), 0);
}

TEST_F(FiberTest, nobody_joins_himself_or_nothing) {
    nexus::Fiber none;
    EXPECT_EQ(none.join(), error(Errno::inval));
    EXPECT_EQ(none.id(), FiberId::none);
    nexus::Result<int64_t> own = 0;
    nexus::Fiber fiber;
    fiber = *nexus::spawn([&] { own = fiber.join(); });
    run(fiber.id());
    EXPECT_EQ(own, error(Errno::inval));
}

TEST_F(FiberTest, a_kill_ends_a_join) {
    auto fiber = nexus::spawn([] { FAIL() << "it never ran"; });
    kernel_.on_wait = [&](const test::Yield&) -> int64_t {
        EXPECT_TRUE(nexus::kill(fiber->id(), 9));
        return RUMPK_CHANNEL_RX;
    };
    EXPECT_EQ(fiber->join(), -9);
    EXPECT_EQ(fiber->kill(), error(Errno::srch));
}

TEST_F(FiberTest, a_join_learns_of_an_end_that_the_fiber_could_not_tell) {
    auto fiber = nexus::spawn([] { FAIL() << "it never ran"; });
    kernel_.on_wait = [&](const test::Yield& yield) -> int64_t {
        EXPECT_EQ(yield.flags, RUMPK_YIELD_END);
        EXPECT_EQ(yield.peers, std::vector<uint64_t>{static_cast<uint64_t>(fiber->id())});
        return alive_.erase(static_cast<uint64_t>(fiber->id())) != 0 ? RUMPK_CHANNEL_RX : -RUMPK_ESRCH;
    };
    EXPECT_EQ(fiber->join(), RUMPK_END_BUDGET);
}

TEST_F(FiberTest, a_killed_ones_joiner_may_learn_of_it_before_the_killer) {
    auto fiber = *nexus::spawn([] { FAIL() << "it never ran"; });
    kernel_.on_wait = [](const test::Yield&) -> int64_t { return -RUMPK_ESRCH; };
    kernel_.on_kill = [&](uint64_t id, uint64_t) -> int64_t {
        alive_.erase(id);
        const uint64_t killer = std::exchange(kernel_.self, 77);
        EXPECT_EQ(fiber.join(), -9);
        fiber = {};
        kernel_.self = killer;
        return 0;
    };
    EXPECT_TRUE(fiber.kill(9));
    kernel_.on_kill = [this](uint64_t id, uint64_t) -> int64_t {
        return alive_.erase(id) != 0 ? 0 : -RUMPK_ESRCH;
    };
}

TEST_F(FiberTest, a_kill_that_came_too_late_is_no_reason) {
    auto fiber = *nexus::spawn([] { FAIL() << "it never ran"; });
    kernel_.on_kill = [this](uint64_t id, uint64_t) -> int64_t {
        alive_.erase(id); // the kernel was first
        return -RUMPK_ESRCH;
    };
    EXPECT_EQ(fiber.kill(9), error(Errno::srch));
    kernel_.on_wait = [](const test::Yield&) -> int64_t { return -RUMPK_ESRCH; };
    EXPECT_EQ(fiber.join(), RUMPK_END_BUDGET);
    kernel_.on_kill = [this](uint64_t id, uint64_t) -> int64_t {
        return alive_.erase(id) != 0 ? 0 : -RUMPK_ESRCH;
    };
}

TEST_F(FiberTest, the_callable_dies_with_its_handle) {
    const auto life = std::make_shared<int>(1);
    auto fiber = nexus::spawn([life] {});
    EXPECT_EQ(life.use_count(), 2);
    run(fiber->id());
    EXPECT_EQ(life.use_count(), 2);
    *fiber = {};
    // (The temporary took the task along and let it go.)
    EXPECT_EQ(life.use_count(), 1);
}

TEST_F(FiberTest, a_detached_one_is_swept_once_it_has_left_its_stack) {
    const auto life = std::make_shared<int>(1);
    FiberId id;
    {
        auto fiber = nexus::spawn([life] {}, {.stack_size = 16384});
        EXPECT_NE(last_.stack_base, 0u) << "more than the pool gives comes from the heap";
        EXPECT_EQ(last_.stack_size, 16384u);
        id = fiber->id();
    }
    EXPECT_EQ(life.use_count(), 2);
    const rumpk_spawn_args args = alive_.at(static_cast<uint64_t>(id));
    const uint64_t me = std::exchange(kernel_.self, static_cast<uint64_t>(id));
    reinterpret_cast<rumpk_entry>(args.entry)(args.argument); // done, and not yet ended
    kernel_.self = me;
    auto other = nexus::spawn([] {});
    EXPECT_EQ(life.use_count(), 2);
    alive_.erase(static_cast<uint64_t>(id));
    auto another = nexus::spawn([] {});
    EXPECT_EQ(life.use_count(), 1);
    run(other->id());
    run(another->id());
}

TEST_F(FiberTest, a_refused_spawn_leaves_nothing) {
    kernel_.on_spawn = [](const rumpk_spawn_args&) -> int64_t { return -RUMPK_EPERM; };
    const auto life = std::make_shared<int>(1);
    EXPECT_EQ(nexus::spawn([life] {}, {.stack_size = 8192}).error(), Errno::perm);
    EXPECT_EQ(life.use_count(), 1);
    kernel_.on_spawn = [this](const rumpk_spawn_args& args) { return begin(args); };
}

// Its callable's end lets go of a younger one, from within the sweep that frees its own task.
TEST_F(FiberTest, a_detached_one_takes_along_those_it_keeps) {
    const auto life = std::make_shared<int>(1);
    auto child = std::make_shared<nexus::Fiber>();
    const FiberId parent = nexus::spawn([child] {})->id();
    *child = *nexus::spawn([life] {});
    run(parent);
    run(child->id());
    child.reset(); // the parent's callable has the last
    auto other = nexus::spawn([] {});
    EXPECT_EQ(life.use_count(), 1);
    run(other->id());
}

// Another fiber of the tier may spawn while this one's spawn waits for room in a core's ring.
TEST_F(FiberTest, a_refused_spawn_takes_nobody_elses_along) {
    nexus::Fiber other;
    const auto spawns = kernel_.on_spawn;
    bool waits = true;
    kernel_.on_spawn = [&](const rumpk_spawn_args& args) -> int64_t {
        if (!std::exchange(waits, false)) {
            return spawns(args);
        }
        other = *nexus::spawn([] {});
        return -RUMPK_EBUSY;
    };
    EXPECT_EQ(nexus::spawn([] {}).error(), Errno::busy);
    EXPECT_TRUE(other.kill(7));
    EXPECT_EQ(other.join(), -7) << "who kills still finds it";
    kernel_.on_spawn = spawns;
}

// Its own code cannot say that it is done.
TEST_F(FiberTest, a_detached_one_that_the_kernel_ended_is_freed) {
    const auto life = std::make_shared<int>(1);
    const FiberId id = nexus::spawn([life] {}, {.stack_size = 8192})->id();
    alive_.erase(static_cast<uint64_t>(id));
    auto other = nexus::spawn([] {});
    EXPECT_EQ(life.use_count(), 1);
    run(other->id());
}

TEST_F(FiberTest, the_turn_of_each_that_was_let_go_comes) {
    constexpr int many = 60;
    const auto life = std::make_shared<int>(1);
    for (int i = 0; i < many; ++i) {
        nexus::spawn([life] {})->detach();
    }
    EXPECT_EQ(life.use_count(), 1 + many);
    // Every third lives on. The others are gone when as many have begun as were let go.
    for (auto at = alive_.begin(); at != alive_.end();) {
        at = static_cast<uint32_t>(at->first) % 3 == 0 ? std::next(at) : alive_.erase(at);
    }
    std::vector<nexus::Fiber> others;
    for (int i = 0; i < many / 2; ++i) {
        others.push_back(*nexus::spawn([] {}));
    }
    EXPECT_EQ(life.use_count(), 1 + many / 3);
}

TEST_F(FiberTest, a_spawn_and_a_kill_look_at_as_few_beside_a_hundred_as_beside_three) {
    const auto looks = [this] {
        looked_for_ = 0;
        auto fiber = nexus::spawn([] {});
        EXPECT_TRUE(fiber->kill());
        fiber->detach();
        return looked_for_;
    };
    for (int i = 0; i < 3; ++i) {
        nexus::spawn([] {})->detach();
    }
    const uint32_t beside_three = looks();
    for (int i = 0; i < 100; ++i) {
        nexus::spawn([] {})->detach();
    }
    EXPECT_EQ(looks(), beside_three);
    EXPECT_EQ(beside_three, 5u) << "two at the spawn, two when it was let go, and itself";
}

TEST_F(FiberTest, whoever_is_no_fiber_of_the_cell_is_the_kernels_to_refuse) {
    auto fiber = nexus::spawn([] {});
    EXPECT_EQ(nexus::kill(FiberId{uint64_t{1} << 32 | test::fiber_slots}), error(Errno::srch));
    EXPECT_EQ(nexus::kill(FiberId{UINT64_MAX}), error(Errno::srch));
    EXPECT_EQ(nexus::kill(FiberId::none), error(Errno::srch));
    run(fiber->id());
}

// On another core it ends before its spawner learns its name, and its slot has begun another life by then.
TEST_F(FiberTest, who_comes_late_leaves_the_slots_place_to_the_younger) {
    nexus::Fiber younger;
    bool is_elder = true;
    kernel_.on_spawn = [&](const rumpk_spawn_args& args) -> int64_t {
        const int64_t elder = begin(args);
        if (!std::exchange(is_elder, false)) {
            return elder;
        }
        alive_.erase(static_cast<uint64_t>(elder));
        younger = *nexus::spawn([] {});
        EXPECT_EQ(static_cast<uint32_t>(younger.id()), static_cast<uint32_t>(elder)) << "the same slot";
        return elder;
    };
    auto elder = nexus::spawn([] {});
    EXPECT_EQ(elder->kill(3), error(Errno::srch));
    EXPECT_TRUE(younger.kill(7));
    kernel_.on_wait = [](const test::Yield&) -> int64_t { return -RUMPK_ESRCH; };
    EXPECT_EQ(younger.join(), -7) << "who kills still finds it";
    kernel_.on_spawn = [this](const rumpk_spawn_args& args) { return begin(args); };
}

} // namespace
