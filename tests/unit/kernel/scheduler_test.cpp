// SPDX-License-Identifier: Apache-2.0
// The scheduler on a simulated machine: what K5, K6 and A3 promise, at every
// interleaving that a few hundred seeds find. A failing seed replays.
#include "core/scheduler.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/unit/kernel/simulated_machine.h"

namespace rumpk {
namespace {

using simulated::later;
using simulated::Machine;
using simulated::ring;
using simulated::steps;
using simulated::wait;

void yield() {
    const InterruptsMasked masked;
    this_scheduler().yield();
}

void end_turn() {
    (void)machine().interrupts_mask();
    EXPECT_EQ(this_scheduler().end_turn(), 0);
}

// What a call does that sends and then waits, if the core may go straight to the other.
bool exchange(Fiber& other, uint64_t bell, uint64_t channels) {
    (void)machine().interrupts_mask();
    Scheduler& here = this_scheduler();
    if (!here.leads_to(*here.running(), other, bell, channels)) {
        machine().interrupts_restore(1);
        return false;
    }
    return here.ring_and_wait(other, bell, channels) != 0;
}

TEST(Scheduler, RunsTiersInOrderAndRoundRobinInside) {
    Machine machine(1);
    std::string order;
    for (const char* name : {"v1", "v2", "g1", "m1", "p1", "p2"}) {
        const Tier tier = *name == 'v'   ? Tier::void_
                          : *name == 'g' ? Tier::gravity
                          : *name == 'm' ? Tier::matter
                                         : Tier::photon;
        machine.scheduler.make_ready(machine.fiber(tier, [&order, name] {
            order += name;
            yield();
            order += name;
            end_turn();
        }));
    }
    ASSERT_TRUE(machine.run(steps));
    EXPECT_EQ(order, "p1p2p1p2m1m1g1g1v1v2v1v2");
}

TEST(Scheduler, InterruptSwitchesOutOfAFiberThatNeverYields) {
    for (uint64_t seed = 1; seed <= 100; ++seed) {
        Machine machine(seed);
        bool woken = false;
        uint64_t turns_after = 0;
        Fiber& photon = machine.fiber(Tier::photon, [&] {
            EXPECT_EQ(wait(1, Instant::never()), 1U);
            woken = true;
        });
        machine.scheduler.make_ready(photon);
        machine.scheduler.make_ready(machine.fiber(Tier::void_, [&] {
            machine.interrupt_later([&] { this_scheduler().ring(photon, 1); });
            while (!woken) {
                machine.chance();
            }
            for (; turns_after < 3; ++turns_after) {
                machine.chance();
            }
        }));
        ASSERT_TRUE(machine.run(steps)) << "seed " << seed;
        EXPECT_EQ(turns_after, 3U) << "seed " << seed; // the preempted one went on
        EXPECT_EQ(machine.scheduler.statistics().preemptions, 1U) << "seed " << seed;
    }
}

TEST(Scheduler, SameTierIsNeverPreempted) {
    for (uint64_t seed = 1; seed <= 100; ++seed) {
        Machine machine(seed);
        bool inside = false;
        std::vector<Fiber*> fibers;
        for (int i = 0; i < 4; ++i) {
            fibers.push_back(&machine.fiber(Tier::gravity, [&] {
                for (int turn = 0; turn < 20; ++turn) {
                    EXPECT_FALSE(inside) << "seed " << seed;
                    inside = true;
                    machine.chance();
                    machine.chance();
                    inside = false;
                    (void)wait(1, later(100));
                }
            }));
            machine.scheduler.make_ready(*fibers.back());
        }
        for (int i = 0; i < 40; ++i) {
            machine.interrupt_later(
                [&, i] { this_scheduler().ring(*fibers[static_cast<size_t>(i) % 4], 1); });
        }
        ASSERT_TRUE(machine.run(steps)) << "seed " << seed;
        EXPECT_EQ(machine.scheduler.statistics().preemptions, 0U);
    }
}

TEST(Scheduler, PreemptedFiberKeepsItsTurn) {
    for (uint64_t seed = 1; seed <= 50; ++seed) {
        Machine machine(seed);
        std::string order;
        Fiber& photon = machine.fiber(Tier::photon, [&] { (void)wait(1, Instant::never()); });
        machine.scheduler.make_ready(photon);
        machine.scheduler.make_ready(machine.fiber(Tier::void_, [&] {
            machine.interrupt_later([&] { this_scheduler().ring(photon, 1); });
            for (int i = 0; i < 50; ++i) {
                machine.chance();
            }
            order += "a";
        }));
        machine.scheduler.make_ready(machine.fiber(Tier::void_, [&] { order += "b"; }));
        ASSERT_TRUE(machine.run(steps)) << "seed " << seed;
        EXPECT_EQ(order, "ab") << "seed " << seed;
    }
}

// Photon, Matter, Gravity and Void all preempted on top of each other, and back.
TEST(Scheduler, PreemptionsNestByTierAndUnwind) {
    Machine machine(3);
    std::vector<Fiber*> waiting;
    std::string order;
    for (const Tier tier : {Tier::photon, Tier::matter, Tier::gravity}) {
        waiting.push_back(&machine.fiber(tier, [&, tier] {
            (void)wait(1, Instant::never());
            order += static_cast<char>('0' + static_cast<int>(tier));
            if (tier != Tier::photon) {
                Fiber* next = waiting[static_cast<size_t>(tier) - 1];
                machine.interrupt_later([next] { this_scheduler().ring(*next, 1); });
                for (int i = 0; i < 200; ++i) {
                    machine.chance();
                }
            }
            order += static_cast<char>('a' + static_cast<int>(tier));
        }));
        machine.scheduler.make_ready(*waiting.back());
    }
    machine.scheduler.make_ready(machine.fiber(Tier::void_, [&] {
        order += "3";
        machine.interrupt_later([&] { this_scheduler().ring(*waiting[2], 1); });
        for (int i = 0; i < 200; ++i) {
            machine.chance();
        }
        order += "d";
    }));
    ASSERT_TRUE(machine.run(steps));
    EXPECT_EQ(order, "3210abcd");
    EXPECT_EQ(machine.scheduler.statistics().preemptions, 3U);
}

TEST(Scheduler, BellToAHigherTierSwitchesAtOnce) {
    Machine machine(5);
    std::string order;
    Fiber& matter = machine.fiber(Tier::matter, [&] {
        (void)wait(2, Instant::never());
        order += "matter ";
    });
    machine.scheduler.make_ready(matter);
    machine.scheduler.make_ready(machine.fiber(Tier::gravity, [&] {
        ring(matter, 2);
        order += "gravity";
    }));
    ASSERT_TRUE(machine.run(steps));
    EXPECT_EQ(order, "matter gravity");
}

TEST(Scheduler, ABellBeforeAWaitThatEndsAtOnceRunsTheHigherTierFirst) {
    Machine machine(3);
    std::string order;
    Fiber& photon = machine.fiber(Tier::photon, [&] {
        (void)wait(1, Instant::never());
        order += "photon ";
    });
    machine.scheduler.make_ready(photon);
    machine.scheduler.make_ready(machine.fiber(Tier::gravity, [&] {
        const InterruptsMasked masked;
        Scheduler& here = this_scheduler();
        here.ring(*here.running(), 2);
        here.ring(photon, 1);
        EXPECT_EQ(here.wait(2, Instant::never()), 2U);
        order += "gravity";
    }));
    ASSERT_TRUE(machine.run(steps));
    EXPECT_EQ(order, "photon gravity");
}

TEST(Scheduler, ExchangeGoesStraightToTheOther) {
    Machine machine(3);
    std::string order;
    Fiber* first = nullptr;
    Fiber& server = machine.fiber(Tier::gravity, [&] {
        for (int i = 0; i < 3; ++i) {
            if (i == 0) {
                EXPECT_EQ(wait(2, Instant::never()), 2U);
            } else {
                EXPECT_TRUE(exchange(*first, 1, 2));
            }
            order += "b";
        }
        ring(*first, 1);
    });
    first = &machine.fiber(Tier::gravity, [&] {
        (void)wait(1, later(100)); // the other waits by now
        for (int i = 0; i < 3; ++i) {
            order += "a";
            EXPECT_TRUE(exchange(server, 2, 1));
        }
    });
    machine.scheduler.make_ready(*first);
    machine.scheduler.make_ready(server);
    ASSERT_TRUE(machine.run(steps));
    EXPECT_EQ(order, "ababab");
    EXPECT_EQ(machine.scheduler.statistics().wakes, 7U) << "a deadline, three there, three back";
    EXPECT_EQ(first->latched | server.latched, 0U);
}

// Where the other is not the next to run, nothing happens at all.
TEST(Scheduler, ExchangeRefusesWhatOnlyTheQueueCanDo) {
    Machine machine(3);
    bool ready_ran = false;
    bool ended = false;
    Fiber& waits = machine.fiber(Tier::gravity, [&] { (void)wait(2, Instant::never()); });
    Fiber& sleeps = machine.fiber(Tier::gravity, [&] { (void)wait(2, later(1'000'000)); });
    Fiber& equal = machine.fiber(Tier::gravity, [&] { ready_ran = true; });
    Fiber& lower = machine.fiber(Tier::void_, [] {});
    Fiber& above = machine.fiber(Tier::photon, [&] { (void)wait(2, Instant::never()); });
    Fiber& below = machine.fiber(Tier::void_, [&] { (void)wait(2, Instant::never()); });
    Fiber* me = nullptr;
    Fiber& caller = machine.fiber(Tier::gravity, [&] {
        Fiber& self = *me;
        (void)wait(1, later(100)); // the others wait by now
        EXPECT_FALSE(exchange(waits, 4, 1)) << "waits for another bell";
        EXPECT_FALSE(exchange(above, 2, 1)) << "is of a higher tier";
        EXPECT_FALSE(exchange(below, 2, 1)) << "is of a lower tier";
        EXPECT_FALSE(exchange(sleeps, 2, 1)) << "has a deadline to be cancelled";
        EXPECT_FALSE(exchange(self, 1, 1)) << "runs";
        self.latched = 1;
        EXPECT_FALSE(exchange(waits, 2, 1)) << "there is nothing to wait for";
        self.latched = 0;
        {
            const InterruptsMasked masked;
            this_scheduler().make_ready(equal);
        }
        EXPECT_FALSE(exchange(waits, 2, 1)) << "another is before it in the tier";
        EXPECT_FALSE(ready_ran);
        EXPECT_EQ(waits.latched | sleeps.latched | above.latched | below.latched | self.latched, 0U);
        yield();
        EXPECT_TRUE(ready_ran);
        EXPECT_EQ(waits.state, FiberState::waiting);
        uint64_t lowest = 0;
        self.canary = &lowest;
        EXPECT_FALSE(exchange(waits, 2, 1)) << "its stack has overflowed, which the switch reports";
        self.canary = nullptr;
        {
            const InterruptsMasked masked;
            this_scheduler().make_ready(lower);
            this_scheduler().count_time();
        }
        EXPECT_FALSE(exchange(waits, 2, 1)) << "times are counted";
        for (Fiber* each : {&waits, &sleeps, &above, &below}) {
            ring(*each, 2);
        }
        ended = true;
    });
    me = &caller;
    machine.scheduler.make_ready(waits);
    machine.scheduler.make_ready(sleeps);
    machine.scheduler.make_ready(above);
    machine.scheduler.make_ready(below);
    machine.scheduler.make_ready(caller);
    ASSERT_TRUE(machine.run(steps));
    EXPECT_TRUE(ended) << "it waited where it was refused";
}

// Whose end is a switch and no more, and whose is not.
TEST(Scheduler, WhoEndsStepsAsideForItsOwnTier) {
    Machine machine(3);
    std::string order;
    const auto would_step_aside = [&](const char* name) {
        order += name;
        (void)rumpk::machine().interrupts_mask();
        Scheduler& here = this_scheduler();
        Fiber* const next = here.step_aside();
        if (next == nullptr) {
            rumpk::machine().interrupts_restore(1);
            return false;
        }
        here.go_on_with(*next);
        return true; // it does not come back
    };
    Fiber& above = machine.fiber(Tier::photon, [&] { order += "p"; });
    machine.scheduler.make_ready(machine.fiber(Tier::gravity, [&] { (void)would_step_aside("a"); }));
    machine.scheduler.make_ready(machine.fiber(Tier::gravity, [&] { (void)would_step_aside("b"); }));
    machine.scheduler.make_ready(machine.fiber(Tier::gravity, [&] {
        EXPECT_FALSE(would_step_aside("c")) << "nobody else of its tier is ready";
        {
            const InterruptsMasked masked;
            this_scheduler().make_ready(machine.fiber(Tier::gravity, [&] { order += "d"; }));
            this_scheduler().make_ready(above);
            EXPECT_EQ(this_scheduler().step_aside(), nullptr) << "a higher tier comes first";
        }
    }));
    machine.scheduler.make_ready(machine.fiber(Tier::void_, [&] { order += "v"; }));
    ASSERT_TRUE(machine.run(steps));
    EXPECT_EQ(order, "abcpdv");
    EXPECT_EQ(machine.scheduler.statistics().switches, 6U);
}

TEST(Scheduler, BellsLatchAndCoalesce) {
    Machine machine(7);
    std::vector<uint64_t> taken;
    Fiber& late = machine.fiber(Tier::void_, [&] {
        taken.push_back(wait(1 | 4, Instant::never())); // rung before it waited
        taken.push_back(wait(2, Instant::never()));     // not asked for above, still there
        taken.push_back(wait(1 | 2 | 4, later(10)));    // nothing left
    });
    machine.scheduler.make_ready(machine.fiber(Tier::photon, [&] {
        ring(late, 1);
        ring(late, 1);
        ring(late, 2);
    }));
    machine.scheduler.make_ready(late);
    ASSERT_TRUE(machine.run(steps));
    EXPECT_EQ(taken, (std::vector<uint64_t>{1, 2, 0}));
}

// The window between deciding to wait and waiting: a device rings at every place the seeds find.
TEST(Scheduler, NoWakeUpIsLost) {
    for (uint64_t seed = 1; seed <= 300; ++seed) {
        Machine machine(seed);
        uint64_t produced = 0;
        uint64_t consumed = 0;
        constexpr uint64_t messages = 100;
        Fiber& consumer = machine.fiber(seed % 2 == 0 ? Tier::photon : Tier::void_, [&] {
            while (consumed < messages) {
                if (consumed == produced) {
                    machine.chance(); // here a bell must latch
                    (void)wait(1, Instant::never());
                } else {
                    ++consumed;
                }
                machine.chance();
            }
        });
        std::function<void()> device = [&] {
            ++produced;
            this_scheduler().ring(consumer, 1);
            if (produced < messages) {
                machine.interrupt_later(device);
            }
        };
        machine.interrupt_later(device);
        machine.scheduler.make_ready(consumer);
        ASSERT_TRUE(machine.run(steps)) << "seed " << seed;
        EXPECT_EQ(consumed, messages) << "seed " << seed;
    }
}

TEST(Scheduler, RemovedFibersNeverRun) {
    for (uint64_t seed = 1; seed <= 50; ++seed) {
        Machine machine(seed);
        std::vector<Fiber*> victims;
        int ran_on = 0;
        for (int i = 0; i < 10; ++i) {
            victims.push_back(&machine.fiber(Tier::void_, [&, i] {
                if (i % 2 == 0) {
                    (void)wait(1, i % 4 == 0 ? Instant::never() : later(100'000));
                } else {
                    yield();
                    yield();
                    (void)wait(1, later(50));
                    yield();
                }
                ++ran_on;
            }));
            machine.scheduler.make_ready(*victims.back());
        }
        machine.scheduler.make_ready(machine.fiber(Tier::photon, [&] {
            (void)wait(0, later(seed * 7));
            const InterruptsMasked masked;
            for (Fiber* victim : victims) {
                if (victim->state != FiberState::free) {
                    this_scheduler().forget(*victim);
                    victim->state = FiberState::free;
                }
            }
            ran_on = 0;
        }));
        ASSERT_TRUE(machine.run(steps)) << "seed " << seed;
        EXPECT_EQ(ran_on, 0) << "seed " << seed;
    }
}

// What lies on a stack that is kept stays there, whoever is given the core next: here nobody.
TEST(Scheduler, NoInterruptRunsOnAStackThatIsKept) {
    for (const Tier tier : {Tier::photon, Tier::gravity}) {
        Machine machine(1);
        const AddressRange spare{VirtAddr{0x100'000}, 4096};
        bool came = false;
        machine.scheduler.make_ready(machine.fiber(tier, [&] {
            const InterruptsMasked masked;
            const AddressRange kept = this_scheduler().keep_interrupt_stack(spare);
            machine.interrupt_later(
                [&came, &machine, kept] { came = machine.interrupt_stack != kept.pointer(); });
            EXPECT_EQ(this_scheduler().wait(0, later(100'000)), 0U);
        }));
        ASSERT_TRUE(machine.run(steps));
        EXPECT_TRUE(came);
    }
}

// Times are counted from the first question on, and of every kind of switch.
TEST(Scheduler, CountsTimesWhenAsked) {
    for (const bool asked : {false, true}) {
        Machine machine(13);
        std::vector<Fiber*> busy;
        for (int i = 0; i < 2; ++i) {
            busy.push_back(&machine.fiber(Tier::gravity, [&, i] {
                for (int turn = 0; turn < 10; ++turn) {
                    for (int work = 0; work < 100 * (i + 1); ++work) {
                        machine.chance();
                    }
                    end_turn();
                }
                (void)wait(0, later(5000));
                for (int work = 0; work < 100; ++work) {
                    machine.chance();
                }
                (void)wait(1, Instant::never()); // what one has used goes when it ends
            }));
            machine.scheduler.make_ready(*busy.back());
        }
        if (asked) {
            machine.scheduler.count_time();
        }
        ASSERT_TRUE(machine.run(steps));
        EXPECT_EQ(busy[0]->switches, 11U + 1U); // 10 turns besides the first; a wait
        const uint64_t idle = rumpk::machine().ticks_ns(machine.scheduler.statistics().idle_ticks);
        EXPECT_GT(idle, 1000U);
        const uint64_t one = machine.scheduler.run_time(*busy[0]).value();
        const uint64_t other = machine.scheduler.run_time(*busy[1]).value();
        if (!asked) {
            EXPECT_EQ(one, 0U);
            EXPECT_EQ(other, 0U);
            EXPECT_EQ(busy[0]->wake_ticks, 0U);
            continue;
        }
        EXPECT_GT(one, 100U * 11 * 10);
        EXPECT_GT(other, one + one / 2);
        EXPECT_LE(one + other + idle, rumpk::machine().now());
        EXPECT_GE(one + other + idle + 2000, rumpk::machine().now()); // nobody's time is lost
    }
}

// Two that are woken together: the second of them waits for its turn, and no longer.
TEST(Scheduler, CountsTheLongestWake) {
    Machine machine(17);
    machine.scheduler.count_time();
    std::vector<Fiber*> woken;
    for (int i = 0; i < 2; ++i) {
        woken.push_back(&machine.fiber(Tier::gravity, [&] {
            (void)wait(1, Instant::never());
            const uint64_t until = rumpk::machine().now() + 3000;
            while (rumpk::machine().now() < until) {
                machine.chance();
            }
            end_turn();
        }));
        machine.scheduler.make_ready(*woken.back());
    }
    machine.scheduler.make_ready(machine.fiber(Tier::gravity, [&] {
        ring(*woken[0], 1);
        ring(*woken[1], 1);
    }));
    ASSERT_TRUE(machine.run(steps));
    const auto ns = [](const Fiber& fiber) { return rumpk::machine().ticks_ns(fiber.wake_ticks); };
    EXPECT_LT(ns(*woken[0]), 500U);
    EXPECT_GE(ns(*woken[1]), 3000U);
    EXPECT_LT(ns(*woken[1]), 3500U);
}

} // namespace
} // namespace rumpk
