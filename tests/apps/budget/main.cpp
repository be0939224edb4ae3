// SPDX-License-Identifier: Apache-2.0
//
// Budgets: a runaway is struck three times and ended while a Photon fiber's wakes go on, one that keeps
// to its budget is left alone, and nobody escapes by spawning.
#include <atomic>
#include <cstring>
#include <string_view>
#include <utility>

#include <nexus/fiber.h>
#include <nexus/meta.h>

#include "ion/ring.h"
#include "tests/apps/check.h"

namespace {

using nexus::Errno;
using nexus::error;
using nexus::FiberId;
using std::chrono::milliseconds;

constexpr auto relaxed = std::memory_order_relaxed;
std::atomic<uint64_t> spins = 0;

uint32_t number_of(std::string_view name) {
    return nexus::budget(name).value_or(99);
}

[[nodiscard]] nexus::Result<FiberId> spawn_bare(void (*entry)(uint64_t), nexus::Tier tier, uint32_t budget,
                                                uint32_t core = RUMPK_SPAWN_ANY_CORE, uint64_t argument = 0) {
    return nexus::spawn(entry, argument,
                        {.name = "bare", .tier = tier, .core = core, .bare = true, .budget = budget});
}

[[nodiscard]] bool gone(FiberId fiber) {
    return nexus::meta_fiber(fiber) == error(Errno::srch);
}

template <typename Condition>
bool soon(Condition condition) {
    const nexus::Instant end = nexus::now() + std::chrono::seconds(20);
    while (!condition()) {
        if (nexus::now() > end) {
            return false;
        }
        nexus::sleep_for(milliseconds(1));
    }
    return true;
}

[[noreturn]] void spin(uint64_t) {
    for (;;) {
        spins.fetch_add(1, relaxed);
    }
}

// ---- what the kernel says when a fiber has ended ---------------------------------------------------

ion::Consumer& events() {
    const rumpk_ring_descriptor& ring = nexus::systable().ring[RUMPK_RING_EVENT];
    static ion::Consumer consumer(reinterpret_cast<std::byte*>(static_cast<uintptr_t>(ring.base)),
                                  *ion::Geometry::make(ring.slots, ring.slot_size));
    return consumer;
}

// The code with which a fiber ended; 1: no event says so. Other fibers' are dropped.
int64_t code_of(FiberId fiber) {
    int64_t code = 1;
    while (const auto message = events().peek()) {
        rumpk_event_fiber_end end{};
        if (message->tag == RUMPK_EVENT_FIBER_END && message->payload.size() >= sizeof end) {
            std::memcpy(&end, message->payload.data(), sizeof end);
            code = end.fiber == static_cast<uint64_t>(fiber) ? end.code : code;
        }
        (void)events().release();
    }
    return code;
}

// ---- tests -----------------------------------------------------------------------------------------

void names() {
    test::check("budgets have numbers", number_of("spin") == 1 && number_of("brief") == 3);
    test::check("a name that is none", nexus::budget("spi") == error(Errno::noent));
    const auto spin_budget = nexus::detail::meta<rumpk_meta_budget>(RUMPK_META_BUDGET, 1);
    test::check("meta tells what a budget is", spin_budget && spin_budget->run_us == 20'000 &&
                                                   spin_budget->window_us == 100'000 &&
                                                   spin_budget->fibers == 6);
    test::check("and what is none", nexus::call::meta(RUMPK_META_BUDGET, {}, 4) == error(Errno::inval) &&
                                        nexus::call::meta(RUMPK_META_BUDGET, {}, 0) == error(Errno::inval));
    const auto nothing = [](uint64_t) {};
    test::check("spawn with one that is none",
                nexus::spawn(nothing, 0, {.budget = 4}) == error(Errno::inval));
    test::check("a fiber has none unless asked", nexus::meta_fiber()->budget == 0);
}

struct Watch {
    std::atomic<bool> stop = false;
    std::atomic<uint64_t> wakes = 0;
} watch;

void photon(uint64_t) {
    while (!watch.stop.load(relaxed)) {
        nexus::sleep_for(std::chrono::microseconds(200));
        watch.wakes.fetch_add(1, relaxed);
    }
}

void runaway(nexus::Tier tier, const char* what) {
    code_of(FiberId::none); // drops what is there
    const auto fiber = spawn_bare(spin, tier, number_of("spin"));
    const uint64_t wakes = watch.wakes;
    test::check(what, soon([&] { return gone(*fiber); }));
    test::equal("its end says why", code_of(*fiber), RUMPK_END_BUDGET);
    test::check("Photon's wakes went on", watch.wakes - wakes > 10);
}

// The clock goes on while the machine itself is not given its processor, and that is charged like any
// time: two strikes may then come where one was meant. So these look again until they have seen all.
constexpr int attempts = 10;

// Seen from a higher tier: the strikes as they come.
std::atomic<uint64_t> victim = 0;
std::atomic<uint32_t> strikes_seen = 0;

void look_at_strikes(uint64_t) {
    while (const auto shown = nexus::meta_fiber(static_cast<FiberId>(victim.load(relaxed)))) {
        strikes_seen.fetch_or(1u << shown->strikes | shown->budget << 8, relaxed);
        nexus::sleep_for(milliseconds(2));
    }
}

void strikes_show() {
    constexpr uint32_t all = 1 << 8 | 0b111; // no strike, one, two
    for (int i = 0; i < attempts && strikes_seen != all; ++i) {
        const auto fiber = spawn_bare(spin, nexus::Tier::void_, number_of("spin"));
        victim.store(std::to_underlying(*fiber), relaxed);
        (void)*spawn_bare(look_at_strikes, nexus::Tier::photon, 0);
        test::check("it ends, too", soon([&] { return gone(*fiber); }));
    }
    test::equal("meta shows its budget and each strike", strikes_seen, all);
}

// Uses its budget up and gives up the core, again and again. A bit for each tier that it sees itself in
// with one strike, and with two.
std::atomic<uint32_t> tiers_seen = 0;

void overrun_and_yield(uint64_t) {
    for (;;) {
        const uint64_t until = nexus::meta_fiber()->run_ns + 25'000'000;
        while (nexus::meta_fiber()->run_ns < until) {
        }
        nexus::yield();
        const auto shown = nexus::meta_fiber();
        if (shown->strikes != 0) { // its clock may have stood still: an emulator's does when its host is busy
            tiers_seen.fetch_or(1u << (shown->strikes * 4 + shown->tier), relaxed);
        }
    }
}

void demoted() {
    constexpr uint32_t all = 1u << (4 + RUMPK_TIER_GRAVITY) | 1u << (8 + RUMPK_TIER_VOID);
    for (int i = 0; i < attempts && tiers_seen != all; ++i) {
        const auto fiber = spawn_bare(overrun_and_yield, nexus::Tier::gravity, number_of("spin"));
        test::check("one that overruns and yields ends", soon([&] { return gone(*fiber); }));
    }
    test::equal("counted it keeps its tier, and struck again it falls", tiers_seen, all);
}

// Half of its budget in each window, for some windows.
void keep_to_it() {
    for (int i = 0; i < 15; ++i) {
        const uint64_t until = nexus::meta_fiber()->run_ns + 40'000'000;
        while (nexus::meta_fiber()->run_ns < until) {
        }
        nexus::sleep_for(milliseconds(60));
    }
}

void well_behaved() {
    auto steady = *nexus::spawn(keep_to_it, {.budget = number_of("steady")});
    uint32_t strikes = 0;
    uint64_t run = 0;
    while (const auto shown = nexus::meta_fiber(steady.id())) {
        strikes = shown->strikes;
        run = shown->run_ns;
        nexus::sleep_for(milliseconds(5));
    }
    test::check("who keeps to it ends when it likes", steady.join() == 0);
    test::equal("and is never struck", strikes, 0);
    test::check("having run more than one window's worth", run > 500'000'000);
}

void joined() {
    auto fiber = *nexus::spawn([] { spin(0); }, {.budget = number_of("spin")});
    test::check("a join learns of it", fiber.join() == RUMPK_END_BUDGET);
    auto another = *nexus::spawn([] { spin(0); }, {.budget = number_of("spin")});
    nexus::Result<int64_t> code = error(Errno::again);
    auto joiner = *nexus::spawn([&] { code = another.join(nexus::now() + std::chrono::seconds(10)); });
    test::check("also of another's fiber", joiner.join() == 0 && code == RUMPK_END_BUDGET);
}

std::atomic<int64_t> child = 0;
std::atomic<uint32_t> childs_budget = 0;

void no_escape() {
    const auto parent = [](uint64_t) {
        const auto made = nexus::spawn([](uint64_t) { childs_budget = nexus::meta_fiber()->budget; }, 0,
                                       {.tier = nexus::Tier::matter, .bare = true});
        child = made ? 1 : -std::to_underlying(made.error());
    };
    (void)*spawn_bare(parent, nexus::Tier::matter, number_of("brief"));
    test::check("a child has its spawner's budget",
                soon([] { return childs_budget != 0; }) && child == 1 && childs_budget == number_of("brief"));
    // Both have ended, within the seconds that are their window.
    child = 0;
    const auto third = spawn_bare(parent, nexus::Tier::matter, number_of("brief"));
    test::check("who ends and begins anew has no more", third == error(Errno::busy));
}

void as_many_as_may() {
    const auto wait = [](uint64_t) { nexus::sleep_until(nexus::never); };
    const auto spawned = [&] { return spawn_bare(wait, nexus::Tier::matter, number_of("steady")); };
    nexus::Result<FiberId> one = error(Errno::busy);
    test::check("in a new window one may have it", soon([&] { return (one = spawned()).has_value(); }));
    test::check("and no more than one", spawned() == error(Errno::busy));
    (void)nexus::kill(*one);
    test::check("until it has ended", soon([&] { return (one = spawned()).has_value(); }));
    (void)nexus::kill(*one);
}

void other_core() {
    const uint32_t cores = nexus::meta_system()->cores;
    const uint32_t home = nexus::meta_self()->home_core;
    if (cores == 1) {
        return;
    }
    code_of(FiberId::none);
    const auto fiber = spawn_bare(spin, nexus::Tier::gravity, number_of("spin"), home == 0 ? 1 : 0);
    test::check("a runaway on another core", soon([&] { return gone(*fiber); }));
    test::equal("ends there, and home learns of it", code_of(*fiber), RUMPK_END_BUDGET);
}

} // namespace

int main() {
    names();
    const auto watcher =
        nexus::spawn(photon, 0, {.name = "photon", .tier = nexus::Tier::photon, .bare = true});
    test::check("a Photon fiber watches", watcher.has_value());
    runaway(nexus::Tier::void_, "a Void runaway ends");
    runaway(nexus::Tier::matter, "a Matter runaway ends");
    strikes_show();
    demoted();
    well_behaved();
    joined();
    no_escape();
    as_many_as_may();
    other_core();
    watch.stop = true;
    return test::result();
}
