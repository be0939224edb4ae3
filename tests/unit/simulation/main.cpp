// SPDX-License-Identifier: Apache-2.0
//
// The kernel on simulated machines of several cores, one run a seed.
//
//      simulation_test                 the usual number of seeds, a new first one each time
//      simulation_test --seed N        that one
//      simulation_test --seeds N M     M of them, from N on
//      simulation_test --long          many more
#include <sanitizer/common_interface_defs.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string_view>

#include "abi/console.h"
#include "tests/unit/simulation/beside.h"
#include "tests/unit/simulation/kernel.h"
#include "tests/unit/simulation/life.h"
#include "tests/unit/simulation/machine.h"

namespace {

using namespace rumpk::simulated;

constexpr uint64_t usual = SEEDS;
constexpr uint64_t many = SEEDS_LONG;

uint64_t seed_now = 0;

// Whatever ends the process says which seed it was.
void say_seed() {
    std::fprintf(stderr, "seed %llu; again: simulation_test --seed %llu\n",
                 static_cast<unsigned long long>(seed_now), static_cast<unsigned long long>(seed_now));
}

void on_trap(int) {
    say_seed();
    std::fprintf(stderr, "the kernel's own check failed: see where with a debugger\n");
    std::abort();
}

struct Lines {
    std::string out;
    std::string kernel;
    int code = -1;
};

// Takes the frames apart as the runner does.
Lines decode(const std::string& line) {
    Lines lines;
    std::string* into = &lines.kernel;
    for (size_t i = 0; i < line.size(); ++i) {
        check(lines.code < 0, "bytes after the last frame");
        if (line[i] != RUMPK_CONSOLE_DLE) {
            *into += line[i];
            continue;
        }
        switch (line[++i]) {
        case RUMPK_CONSOLE_DLE:
            *into += static_cast<char>(RUMPK_CONSOLE_DLE);
            break;
        case RUMPK_CONSOLE_KERNEL:
        case RUMPK_CONSOLE_PANIC:
            into = &lines.kernel;
            break;
        case RUMPK_CONSOLE_STDOUT:
            into = &lines.out;
            break;
        case RUMPK_CONSOLE_INPUT:
            break;
        case RUMPK_CONSOLE_EXIT:
            lines.code = static_cast<uint8_t>(line[++i]);
            break;
        default:
            fail("a frame that there is not");
        }
    }
    return lines;
}

std::string draw_input(std::mt19937_64& random) {
    std::string input(random() % 3000, ' ');
    for (char& one : input) {
        one = static_cast<char>('a' + random() % 26);
    }
    return input;
}

// Short ones, of which fibers use up some.
std::span<const rumpk_meta_budget> draw_budgets(std::mt19937_64& random) {
    static std::array<rumpk_meta_budget, 2> budgets;
    for (rumpk_meta_budget& one : budgets) {
        const auto run = static_cast<uint32_t>(1 + random() % 8);
        one = {.size = sizeof one,
               .fibers = 1,
               .run_us = run,
               .window_us = run + 1 + static_cast<uint32_t>(random() % 60),
               .name = {'b'}};
    }
    return std::span(budgets).first(random() % 3);
}

CellPlan draw_beside(std::mt19937_64& random, uint32_t cores) {
    const auto home_tier = static_cast<uint32_t>(random() % 4);
    const CellPlan drawn{.body = live_beside,
                         .cores = cores == 1 ? 1U : 64U,
                         .fibers = 2 + static_cast<uint32_t>(random() % 8),
                         .fiber_stack = 1024,
                         .home_tier = home_tier,
                         .tier_ceiling = static_cast<uint32_t>(random() % (home_tier + 1)),
                         .restarts = true};
    plan_beside(drawn.home_tier, drawn.tier_ceiling, cores);
    return drawn;
}

struct Totals {
    uint64_t points, lives, killed, broken, overran, halted, panics, anew, beside;
} totals;

void one_run(uint64_t seed) {
    seed_now = seed;
    std::mt19937_64 random(seed);
    const auto below = [&](uint64_t limit) { return static_cast<uint32_t>(random() % limit); };
    std::array<CellPlan, 2> cells;
    CellPlan& cell = cells[0];
    cell.body = live;
    cell.fibers = 3 + below(14);
    cell.fiber_stack = std::array<uint32_t, 3>{0, 1024, 2048}[below(3)];
    cell.home_tier = below(4);
    cell.tier_ceiling = below(cell.home_tier + 1);
    LifePlan lives;
    lives.end =
        std::array{End::cell_ends, End::panics, End::anew, End::anew, End::all_done}[std::min(below(9), 4U)];
    cell.restarts = lives.end == End::anew;
    lives.restarts = 1 + below(4);
    if (lives.end == End::panics) {
        cell.fiber_stack = 1024; // with a canary
    }
    lives.rounds = 1 + below(8);
    lives.most_turns = 5 + below(60);
    lives.slots = cell.fibers;
    lives.home_tier = cell.home_tier;
    lives.tier_ceiling = cell.tier_ceiling;
    lives.cores = below(8) == 0 ? 1 + below(8) : 1 + below(4);
    lives.pledged = lives.end == End::panics || (below(2) == 0 && lives.end != End::anew); // which halts
    lives.input = draw_input(random);
    // A pledge has no promise to end another cell.
    lives.beside = below(2) == 0 && !lives.pledged;
    cells[1] = draw_beside(random, below(2) == 0 ? 1 : lives.cores);
    cell.budgets = draw_budgets(random);
    lives.budgets = static_cast<uint32_t>(cell.budgets.size());
    set_kernel_back();
    plan_lives(lives);
    Plan plan;
    plan.seed = seed;
    plan.cores = lives.cores;
    plan.boot_core = below(plan.cores);
    plan.one_cause_each = below(2) == 0;
    plan.pauses = below(2) == 0 ? 3000 : 200;
    plan.framed = true;
    plan.image = make_image(std::span(cells).first(lives.beside ? 2 : 1));
    plan.input =
        lives.input + static_cast<char>(RUMPK_CONSOLE_DLE) + static_cast<char>(RUMPK_CONSOLE_END_OF_INPUT);
    run(plan, [&](const Ending& end) {
        const LifeReport& report = report_of_lives();
        const Lines lines = decode(end.line);
        check(lines.code == static_cast<int>(end.code),
              "the last frame's code is not that of the machine's end");
        check(end.code == report.code, "the machine ends with another code");
        totals.points += end.points;
        totals.lives += report.lives;
        totals.killed += report.killed;
        totals.broken += report.broken;
        totals.overran += report.overran;
        totals.halted += lives.end == End::cell_ends ? 1 : 0;
        totals.panics += end.code == RUMPK_EXIT_PANIC ? 1 : 0;
        const size_t panic = end.line.find("panic: ");
        check((panic != std::string::npos) == (end.code == RUMPK_EXIT_PANIC), "a panic, or none");
        check(panic == std::string::npos || end.line.find('\n', panic) + 4 == end.line.size(),
              "something comes between a panic and the end");
        totals.anew += report.anew;
        totals.beside += lives.beside ? begun_beside() : 0;
        if (lives.end == End::all_done || lives.end == End::anew) {
            check(lines.out == report.output, "the output is not what was written");
        } else {
            check(report.output.starts_with(lines.out), "the output is not what was written");
        }
    });
}

} // namespace

int main(int argc, char** argv) {
    std::signal(SIGILL, on_trap);
    std::signal(SIGTRAP, on_trap);
    __sanitizer_set_death_callback(say_seed);
    uint64_t first = std::random_device{}();
    uint64_t count = usual;
    const std::string_view what = argc > 1 ? argv[1] : "";
    if (what == "--long") {
        count = many;
    } else if (what == "--seed" && argc == 3) {
        first = std::strtoull(argv[2], nullptr, 0);
        count = 1;
    } else if (what == "--seeds" && argc == 4) {
        first = std::strtoull(argv[2], nullptr, 0);
        count = std::strtoull(argv[3], nullptr, 0);
    } else if (argc > 1) {
        std::fprintf(stderr, "usage: simulation_test [--long | --seed N | --seeds FIRST COUNT]\n");
        return 2;
    }
    for (uint64_t seed = first; seed < first + count; ++seed) {
        one_run(seed);
    }
    const auto number = [](uint64_t what) { return static_cast<unsigned long long>(what); };
    std::printf(
        "%llu seeds from %llu: all well; %llu points, %llu fibers, %llu killed, %llu broken pledges, "
        "%llu seen with two strikes, %llu cells ended in the midst, %llu begun anew, %llu lives beside, "
        "%llu panics\n",
        number(count), number(first), number(totals.points), number(totals.lives), number(totals.killed),
        number(totals.broken), number(totals.overran), number(totals.halted), number(totals.anew),
        number(totals.beside), number(totals.panics));
    return 0;
}
