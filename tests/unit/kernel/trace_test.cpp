// SPDX-License-Identifier: Apache-2.0
// A core's event ring: what is kept when it wraps, and what a scheduler records.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <string>
#include <vector>

#include "core/report.h"
#include "tests/unit/kernel/simulated_machine.h"

namespace rumpk {
namespace {

rumpk_trace_event numbered(uint64_t number) {
    return {.raw = number, .fiber = 0, .value = 0, .detail = 0, .kind = RUMPK_TRACE_SWITCH};
}

TEST(Trace, KeepsTheNewestAndCountsAll) {
    std::array<rumpk_trace_event, 10> memory{}; // one more at each end: nothing is written there
    Trace trace;
    EXPECT_TRUE(trace.kept().empty());
    trace.prepare(std::span(memory).subspan(1, 8));
    EXPECT_TRUE(trace.kept().empty());
    for (uint64_t number = 0; number < 50; ++number) {
        trace.record(numbered(number + 1));
        ASSERT_EQ(trace.recorded(), number + 1);
        const auto kept = trace.kept();
        ASSERT_EQ(kept.size(), std::min<uint64_t>(number + 1, 8));
        for (uint64_t last = number + 1 - kept.size(); last <= number; ++last) {
            ASSERT_EQ(kept[last % 8].raw, last + 1);
        }
    }
    EXPECT_EQ(memory.front().raw, 0U);
    EXPECT_EQ(memory.back().raw, 0U);
}

// Who has the core, by the events alone, is who had it.
TEST(Trace, TellsWhatTheSchedulerDid) {
    simulated::Machine machine(7);
    std::array<rumpk_trace_event, 1024> memory{};
    machine.scheduler.start_trace(memory);
    std::vector<uint32_t> ran;
    Fiber* low = nullptr;
    low = &machine.fiber(Tier::gravity, [&] {
        const InterruptsMasked masked;
        ran.push_back(trace_number(low));
        EXPECT_EQ(machine.scheduler.wait(1, Instant{5000}), 0U);
        ran.push_back(trace_number(low));
    });
    Fiber* high = nullptr;
    high = &machine.fiber(Tier::photon, [&] {
        const InterruptsMasked masked;
        ran.push_back(trace_number(high));
        EXPECT_EQ(machine.scheduler.wait(1, Instant::never()), 1U);
        ran.push_back(trace_number(high));
    });
    low->name[0] = 'l';
    machine.scheduler.begin(*low);
    machine.scheduler.begin(*high);
    machine.interrupt_later([&] { machine.scheduler.ring(*high, 1); });
    ASSERT_TRUE(machine.run(1000));

    std::map<uint8_t, int> count;
    std::vector<uint32_t> told;
    uint64_t before = 0;
    for (const rumpk_trace_event& event : machine.scheduler.trace().kept()) {
        ++count[event.kind];
        if (event.kind == RUMPK_TRACE_NAME) {
            continue;
        }
        EXPECT_GE(event.raw, before);
        before = event.raw;
        if (event.kind == RUMPK_TRACE_SWITCH && event.fiber != 0) {
            told.push_back(event.fiber);
        }
    }
    EXPECT_EQ(told, ran);
    EXPECT_EQ(count[RUMPK_TRACE_SPAWN], 2);
    EXPECT_EQ(count[RUMPK_TRACE_NAME], 2);
    EXPECT_EQ(count[RUMPK_TRACE_WAKE], 2);
    EXPECT_EQ(count[RUMPK_TRACE_END], 2);
    EXPECT_GE(count[RUMPK_TRACE_INTERRUPT], 1);
    EXPECT_EQ(machine.scheduler.trace().kept()[1].raw, 'l');
}

// Also of an interrupt that was set to come at once, because another had only closed a gap between deadlines.
TEST(Trace, TellsHowLateATimerWas) {
    simulated::Machine machine(5);
    std::array<rumpk_trace_event, 1024> memory{};
    machine.scheduler.start_trace(memory);
    constexpr uint64_t sleepers = 20;
    for (uint64_t i = 0; i < sleepers; ++i) {
        machine.scheduler.begin(machine.fiber(Tier::gravity, [when = Instant{100'000 + i * 10'000}] {
            EXPECT_EQ(simulated::wait(0, when), 0U);
        }));
    }
    ASSERT_TRUE(machine.run(simulated::steps));
    ASSERT_LT(machine.scheduler.trace().recorded(), memory.size());

    constexpr uint64_t most = 1000; // of virtual time, nanoseconds
    uint64_t interrupts = 0;
    for (const rumpk_trace_event& event : machine.scheduler.trace().kept()) {
        if (event.kind == RUMPK_TRACE_INTERRUPT && event.detail == RUMPK_TRACE_TIMER) {
            ++interrupts;
            EXPECT_LT(uint64_t{event.value} * RUMPK_TRACE_UNIT, most);
        }
    }
    EXPECT_GT(interrupts, sleepers); // some have closed a gap
}

} // namespace
} // namespace rumpk
