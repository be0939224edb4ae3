// SPDX-License-Identifier: Apache-2.0
// timer_set.
#include "tests/contract/contract.h"

namespace contract {
namespace {

uint64_t fired_at = 0;
void note_time() {
    fired_at = machine->now();
}

// Arms it and lets it come; when it came, 0: it did not.
uint64_t fire(uint64_t when) {
    fired_at = 0;
    hooks.timer = note_time;
    uint64_t before = load(counts.timer);
    machine->timer_set(when);
    spin_until(machine->now() + patience, [before] { return load(counts.timer) != before; });
    return load(fired_at);
}

void timer_is_never_early() {
    uint64_t worst = ~0ull;
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t deadline = machine->now() + 1 * microsecond + i * 7919 % (200 * microsecond);
        uint64_t came = fire(deadline);
        EXPECT(came >= deadline);
        worst = came - deadline < worst ? came - deadline : worst;
    }
    EXPECT(worst < 1 * millisecond); // and not always late
}

void timer_in_the_past_fires_at_once() {
    uint64_t past[] = {0, 1, machine->now(), machine->now() - 1 * millisecond};
    for (uint64_t when : past) {
        uint64_t before = load(counts.timer);
        machine->timer_set(when);
        EXPECT_EQUAL(load(counts.timer), before); // masked
        machine->interrupts_restore(1);
        machine->interrupts_mask();
        EXPECT_EQUAL(load(counts.timer), before + 1);
    }
}

void timer_is_one_shot() {
    uint64_t before = load(counts.timer);
    EXPECT(fire(machine->now() + 50 * microsecond) != 0);
    spin_until(machine->now() + 10 * millisecond);
    EXPECT_EQUAL(load(counts.timer), before + 1);
}

void timer_never_disarms() {
    uint64_t before = load(counts.timer);
    machine->timer_set(machine->now() + 2 * millisecond);
    machine->timer_set(RUMPK_NEVER);
    spin_until(machine->now() + 10 * millisecond);
    EXPECT_EQUAL(load(counts.timer), before);
    // Also one that has come pending already.
    machine->timer_set(0);
    machine->timer_set(RUMPK_NEVER);
    spin_until(machine->now() + 5 * millisecond);
    EXPECT_EQUAL(load(counts.timer), before);
}

void timer_far_away_does_not_wrap() {
    uint64_t before = load(counts.timer);
    constexpr uint64_t far[] = {RUMPK_NEVER - 1, 1ull << 63, (1ull << 63) - 1, 1ull << 62};
    for (uint64_t when : far) {
        machine->timer_set(when);
        spin_until(machine->now() + 2 * millisecond);
        EXPECT_EQUAL(load(counts.timer), before);
    }
    machine->timer_set(RUMPK_NEVER);
}

void timer_is_replaced() {
    uint64_t before = load(counts.timer);
    uint64_t later = machine->now() + 8 * millisecond;
    machine->timer_set(machine->now() + 1 * millisecond);
    EXPECT(fire(later) >= later);
    EXPECT_EQUAL(load(counts.timer), before + 1);

    machine->timer_set(machine->now() + 2 * patience);
    uint64_t sooner = machine->now() + 1 * millisecond;
    uint64_t came = fire(sooner);
    EXPECT(came >= sooner && came < sooner + patience);
    spin_until(machine->now() + 2 * millisecond);
    EXPECT_EQUAL(load(counts.timer), before + 2);
}

// Arms it, and comes back around the moment at which it fires, which in a virtual machine may be
// tens of microseconds late: a little earlier or later with each `i`. Masked, so that the
// interrupt is not taken.
void nearly_fire(uint64_t i) {
    uint64_t deadline = machine->now() + 2 * microsecond;
    machine->timer_set(deadline);
    while (machine->now() + 1 * microsecond < deadline + i * 1013 % (80 * microsecond)) {
    }
}

void timer_replaced_as_it_fires_is_not_early() {
    for (uint64_t i = 0; i < 2000; i++) {
        nearly_fire(i);
        uint64_t before = load(counts.timer);
        uint64_t deadline = machine->now() + 50 * microsecond;
        EXPECT(fire(deadline) >= deadline);
        EXPECT_EQUAL(load(counts.timer), before + 1);
    }
}

void timer_disarmed_as_it_fires_is_quiet() {
    for (uint64_t i = 0; i < 2000; i++) {
        nearly_fire(i);
        uint64_t before = load(counts.timer);
        machine->timer_set(RUMPK_NEVER);
        spin_until(machine->now() + 20 * microsecond);
        EXPECT_EQUAL(load(counts.timer), before);
    }
}

uint64_t chain = 0;
void rearm() {
    if (++chain < 1000) {
        machine->timer_set(machine->now() + chain % 10 * microsecond);
    }
}

void timer_is_set_again_in_its_event() {
    chain = 0;
    hooks.timer = rearm;
    machine->timer_set(0);
    EXPECT(spin_until(machine->now() + patience, [] { return load(chain) == 1000; }));
}

// Each message brings the next: what is pending beside it comes all the same.
void ring_again() {
    if (++chain < 1000) {
        machine->core_wake(machine->core_index());
    }
}

void timer_is_not_kept_away_by_messages() {
    static uint64_t rung_before;
    chain = 0;
    hooks.message = ring_again;
    hooks.timer = [] { rung_before = chain; };
    machine->timer_set(0);
    machine->core_wake(machine->core_index());
    EXPECT(spin_until(machine->now() + patience, [] { return load(chain) == 1000; }));
    EXPECT(load(rung_before) < 10);
}

void ticks_count_what_now_counts() {
    EXPECT(machine->ticks() != 0);
    uint64_t last = machine->ticks();
    for (int i = 0; i < 10000; i++) {
        uint64_t next = machine->ticks();
        EXPECT(next >= last);
        last = next;
    }
    uint64_t outer = machine->now();
    uint64_t begun = machine->ticks();
    uint64_t inner = machine->now();
    spin_until(inner + 5 * millisecond);
    uint64_t inner_end = machine->now();
    uint64_t ended = machine->ticks();
    uint64_t outer_end = machine->now();
    uint64_t counted = machine->ticks_ns(ended - begun);
    constexpr uint64_t tick = 1 * microsecond; // the coarsest there is, and rounding
    EXPECT(counted + tick >= inner_end - inner);
    EXPECT(counted <= outer_end - outer + tick);
}

} // namespace

const Test tests_of_timer[] = {
    {"ticks count what now counts", ticks_count_what_now_counts},
    {"timer is never early", timer_is_never_early},
    {"timer in the past fires at once", timer_in_the_past_fires_at_once},
    {"timer is one-shot", timer_is_one_shot},
    {"timer: never disarms", timer_never_disarms},
    {"timer far away does not wrap", timer_far_away_does_not_wrap},
    {"timer is replaced", timer_is_replaced},
    {"timer replaced as it fires is not early", timer_replaced_as_it_fires_is_not_early},
    {"timer disarmed as it fires is quiet", timer_disarmed_as_it_fires_is_quiet},
    {"timer is set again in its event", timer_is_set_again_in_its_event},
    {"timer is not kept away by messages", timer_is_not_kept_away_by_messages},
    {nullptr, nullptr},
};

} // namespace contract
