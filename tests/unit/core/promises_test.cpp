// SPDX-License-Identifier: Apache-2.0
//
// Promises: names, the ratchet, and what each call asks for.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/promises.h"
#include "tests/unit/core/random.h"

namespace {

using namespace rumpk;

const std::vector<std::string> names = {
    "stdio",  "rpath", "wpath",     "cpath",   "dpath",  "tmppath", "inet",   "mcast", "fattr",
    "chown",  "flock", "unix",      "dns",     "getpw",  "sendfd",  "recvfd", "tape",  "tty",
    "proc",   "exec",  "prot_exec", "settime", "ps",     "vminfo",  "id",     "pf",    "route",
    "wroute", "audio", "video",     "bpf",     "unveil", "error"};

TEST(Promises, EveryNameIsABitOfItsOwn) {
    ASSERT_EQ(names.size(), promise_count);
    uint64_t seen = 0;
    for (size_t i = 0; i < names.size(); ++i) {
        const auto one = Promises::parse(names[i]);
        ASSERT_TRUE(one) << names[i];
        EXPECT_EQ(one->bits(), 1ULL << i) << names[i];
        EXPECT_TRUE(one->contains(static_cast<Promise>(i))) << names[i];
        seen |= one->bits();
    }
    EXPECT_EQ(seen, Promises::all().bits());
}

TEST(Promises, NumbersThatMetaShows) {
    EXPECT_EQ(static_cast<int>(Promise::stdio), 0);
    EXPECT_EQ(static_cast<int>(Promise::rpath), 1);
    EXPECT_EQ(static_cast<int>(Promise::inet), 6);
    EXPECT_EQ(static_cast<int>(Promise::unix_), 11);
    EXPECT_EQ(static_cast<int>(Promise::proc), 18);
    EXPECT_EQ(static_cast<int>(Promise::prot_exec), 20);
    EXPECT_EQ(static_cast<int>(Promise::unveil), 31);
    EXPECT_EQ(Promises::all().meta_bits(), 0xffff'ffffu);
    EXPECT_EQ(Promises{Promise::error}.meta_bits(), 0u);
}

TEST(Promises, Lists) {
    EXPECT_EQ(Promises::parse("")->bits(), 0u);
    EXPECT_EQ(*Promises::parse("stdio rpath"), (Promises{Promise::stdio, Promise::rpath}));
    EXPECT_EQ(*Promises::parse("rpath stdio rpath"), (Promises{Promise::stdio, Promise::rpath}));
    EXPECT_EQ(*Promises::parse("  stdio  inet "), (Promises{Promise::stdio, Promise::inet}));
}

TEST(Promises, WhatIsNoNameIsRefused) {
    for (const std::string text : {"stdi", "stdiox", "STDIO", "stdio,rpath", "stdio\trpath", "stdio\n",
                                   "exec_", "prot", "stdio rpath nothing", "_"}) {
        const auto set = Promises::parse(text);
        ASSERT_FALSE(set) << text;
        EXPECT_EQ(set.error(), Errno::inval) << text;
    }
    EXPECT_EQ(Promises::parse(std::string_view("stdio\0", 6)).error(), Errno::inval);
}

TEST(Promises, LengthIsLimited) {
    std::string text = "stdio";
    text.resize(RUMPK_PLEDGE_MAX, ' ');
    EXPECT_TRUE(Promises::parse(text));
    text += ' ';
    EXPECT_EQ(Promises::parse(text).error(), Errno::toobig);
}

TEST(Promises, RatchetOnlyNarrows) {
    const Promises some{Promise::stdio, Promise::rpath};
    EXPECT_EQ(*Promises::all().narrowed(some), some);
    EXPECT_EQ(*some.narrowed(some), some);
    EXPECT_EQ(*some.narrowed(Promises{Promise::rpath}), Promises{Promise::rpath});
    EXPECT_EQ(*some.narrowed(Promises{}), Promises{});
    EXPECT_EQ(some.narrowed(Promises{Promise::wpath}).error(), Errno::perm);
    EXPECT_EQ(some.narrowed(Promises{Promise::stdio, Promise::wpath}).error(), Errno::perm);
    EXPECT_EQ(some.narrowed(Promises{Promise::stdio, Promise::error}).error(), Errno::perm);
    EXPECT_EQ(Promises{}.narrowed(Promises{Promise::stdio}).error(), Errno::perm);
}

TEST(Promises, ErrorModePassesOverWhatIsLacking) {
    const Promises some{Promise::stdio, Promise::rpath, Promise::error};
    EXPECT_EQ(*some.narrowed(Promises{Promise::stdio, Promise::wpath}), Promises{Promise::stdio});
    EXPECT_EQ(*some.narrowed(Promises{Promise::stdio, Promise::error, Promise::inet}),
              (Promises{Promise::stdio, Promise::error}));
}

TEST(Promises, NoSequenceOfPledgesGainsOne) {
    const uint64_t seed = core_test::fresh_seed();
    SCOPED_TRACE(testing::Message() << "RUMPK_SEED=" << seed);
    core_test::Random random(seed);
    for (int run = 0; run < 20'000; ++run) {
        Promises held = Promises::all();
        for (int step = 0; step < 8; ++step) {
            std::string text;
            for (uint64_t count = random.below(12); count > 0; --count) {
                text += names[random.below(names.size())] + ' ';
            }
            const auto wanted = Promises::parse(text);
            ASSERT_TRUE(wanted);
            const auto after = held.narrowed(*wanted);
            if (!after) {
                ASSERT_FALSE(held.contains(*wanted));
                continue;
            }
            ASSERT_TRUE(held.contains(*after));
            ASSERT_TRUE(wanted->contains(*after));
            held = *after;
        }
    }
}

TEST(Promises, WhatCallsNeed) {
    const Promises none;
    const Promises stdio{Promise::stdio};
    for (const auto call :
         {RUMPK_CALL_PLEDGE, RUMPK_CALL_YIELD, RUMPK_CALL_TIME, RUMPK_CALL_HALT, RUMPK_CALL_META}) {
        EXPECT_EQ(promises_of_call[call], none) << call;
    }
    for (const auto call : {RUMPK_CALL_READ, RUMPK_CALL_WRITE, RUMPK_CALL_MAP, RUMPK_CALL_UNMAP,
                            RUMPK_CALL_SPAWN, RUMPK_CALL_KILL, RUMPK_CALL_RANDOM}) {
        EXPECT_EQ(promises_of_call[call], stdio) << call;
    }
    EXPECT_EQ(promises_of_call[RUMPK_CALL_UNVEIL], Promises{Promise::unveil});
    EXPECT_FALSE(stdio.contains(promises_to_map_code));
    EXPECT_FALSE(stdio.contains(promises_to_spawn_cell));
    EXPECT_FALSE(stdio.contains(promises_to_kill_cell));
    EXPECT_FALSE(stdio.contains(promises_to_halt_machine));
}

} // namespace
