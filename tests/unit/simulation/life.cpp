// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/simulation/life.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "abi/console.h"
#include "core/calls.h"
#include "tests/unit/simulation/beside.h"
#include "tests/unit/simulation/books.h"
#include "tests/unit/simulation/kernel.h"
#include "tests/unit/simulation/machine.h"

namespace rumpk::simulated {
namespace {

void spawn_one(uint64_t self) {
    Books& books = the_books();
    if (books.lives_begun == most_lives) {
        return;
    }
    const uint64_t child = books.lives_begun++;
    rumpk_spawn_args& args = scratch(self).spawn;
    args = {};
    args.size = sizeof args;
    args.flags = RUMPK_SPAWN_BARE;
    args.entry = entry_address();
    args.argument = child;
    args.tier =
        static_cast<uint32_t>(books.plan.tier_ceiling + draw(RUMPK_TIER_COUNT - books.plan.tier_ceiling));
    args.budget =
        books.plan.budgets != 0 && draw(3) == 0 ? 1 + static_cast<uint32_t>(draw(books.plan.budgets)) : 0;
    args.core = draw(5) == 0 ? RUMPK_SPAWN_ANY_CORE : static_cast<uint32_t>(draw(books.plan.cores));
    Life& made = books.lives[child];
    made.tier = args.tier;
    made.born = now();
    made.budgeted = args.budget != 0 || books.lives[self].budgeted; // nobody escapes his own by a spawn
    made.hunted = made.budgeted;
    made.core = args.core == RUMPK_SPAWN_ANY_CORE ? this_core() : args.core;
    const int64_t id = in_call(self, "spawn", [&] { return rumpk_call_spawn(scratch_address(&args)); });
    if (id < 0) {
        check(id == -RUMPK_ENOMEM || (id == -RUMPK_EBUSY && made.budgeted), "spawn gives another error");
        made.refused = true;
        return;
    }
    know_id(child, static_cast<uint64_t>(id));
}

uint64_t somebody() {
    return draw(the_books().lives_begun);
}

// Most of those that were born lately, for they are still alive; at least the caller is known.
uint64_t somebody_known(uint64_t self) {
    const Books& books = the_books();
    const uint64_t target =
        draw(2) == 0 ? somebody() : books.lives_begun - 1 - draw(std::min<uint64_t>(8, books.lives_begun));
    return books.lives[target].id != 0 ? target : self;
}

// Often whom somebody else is after as well: one of the two is told that nobody is there.
void kill_one(uint64_t self) {
    Books& books = the_books();
    const uint64_t target = draw(3) != 0 ? somebody() : books.prey;
    books.prey = target;
    Life& victim = books.lives[target];
    if (target == 0 || victim.id == 0) {
        return;
    }
    victim.hunted = true;
    if (target == self) {
        books.lives[self].finished = true;
    }
    const bool watched = victim.watchers == 1 && victim.watcher != 0;
    Life* const watcher = watched ? &books.lives[victim.watcher] : nullptr;
    const uint64_t counted = watched ? ++watcher->rung : 0; // before the bell
    const int64_t killed = in_call(self, "kill", [&] { return rumpk_call_kill(victim.id, 1 + draw(255)); });
    check(killed == 0 || killed == -RUMPK_ESRCH, "kill gives another error than ESRCH");
    check(target != self, "a fiber killed itself and goes on");
    if (killed == 0) {
        check(!victim.dead, "a fiber was killed twice");
        victim.dead = true;
        if (watcher != nullptr && victim.watchers == 1) { // else somebody has asked meanwhile
            watcher->must_hear = std::max(watcher->must_hear, counted);
        }
        ++books.report.killed;
    }
}

// Up to as many as a call takes, which is more than fits into a ring between two cores.
void ring_some(uint64_t self) {
    Books& books = the_books();
    const uint64_t count = draw(4) != 0 ? 1 : 1 + draw(draw(4) == 0 ? RUMPK_PEERS_MAX : 6);
    std::array<uint64_t, RUMPK_PEERS_MAX> targets{};
    std::array<uint64_t, RUMPK_PEERS_MAX> counts{};
    uint64_t* const ids = scratch(self).ids;
    for (uint64_t i = 0; i < count; ++i) {
        targets[i] = somebody_known(self);
        ids[i] = books.lives[targets[i]].id;
        counts[i] = ++books.lives[targets[i]].rung;
    }
    const int64_t rung = in_call(self, "ring", [&] {
        return rumpk_call_yield(0, 0, 0, RUMPK_YIELD_NOWAIT, scratch_address(ids), count);
    });
    check(rung == 0 || rung == -RUMPK_ESRCH, "a bell gives another error than ESRCH");
    for (uint64_t i = 0; i < count && rung == 0; ++i) {
        uint64_t& heard = books.lives[targets[i]].must_hear;
        heard = std::max(heard, counts[i]);
    }
}

void sleep(uint64_t self, uint64_t channels) {
    const uint64_t until = draw(10) == 0 ? now() - draw(100) : now() + draw(30'000);
    const int64_t taken =
        in_call(self, "sleep", [&] { return rumpk_call_yield(channels, 0, until, 0, 0, 0); });
    if (taken == (channels == 0 ? 0 : -RUMPK_ETIMEDOUT)) {
        check(now() >= until, "a deadline has passed before its time");
    } else {
        check(taken > 0 && (taken & ~static_cast<int64_t>(channels)) == 0,
              "a wait gives what it was not for");
    }
}

// Of several that watch one the last is rung: which one that was the books know of the only one alone.
void watch_one(uint64_t self) {
    Life& watched = the_books().lives[somebody_known(self)];
    const bool only = ++watched.watchers == 1;
    uint64_t* const ids = scratch(self).ids;
    ids[0] = watched.id;
    const int64_t got = in_call(self, "watch", [&] {
        return rumpk_call_yield(0, 0, 0, RUMPK_YIELD_NOWAIT | RUMPK_YIELD_END, scratch_address(ids), 1);
    });
    check(got == 0 || got == -RUMPK_ESRCH || (got == -RUMPK_EPERM && this_core() != the_books().home_core),
          "watch gives another error");
    if (got == 0 && only) {
        watched.watcher = self;
    }
}

// Without a deadline: a bell that is lost leaves it there.
void wait_for_a_bell(uint64_t self) {
    Books& books = the_books();
    Life& me = books.lives[self];
    const bool across = draw(3) == 0;
    if (across) {
        const int64_t passed = in_call(self, "barrier", [] {
            return rumpk_call_yield(0, 0, 0, RUMPK_YIELD_NOWAIT | RUMPK_YIELD_BARRIER, 0, 0);
        });
        check(passed == 0, "a barrier fails");
    }
    while (me.seen == me.rung && !books.stop) {
        me.parked = true;
        const int64_t taken =
            in_call(self, "wait", [] { return rumpk_call_yield(RUMPK_CHANNEL_RX, 0, RUMPK_NEVER, 0, 0, 0); });
        me.parked = false;
        check(taken == RUMPK_CHANNEL_RX, "a wait without a deadline ends without a bell");
    }
    me.seen = me.rung;
}

void wait_for_the_console(uint64_t self) {
    const int64_t taken = in_call(self, "console", [&] {
        return rumpk_call_yield(RUMPK_CHANNEL_CONSOLE | (draw(2) == 0 ? RUMPK_CHANNEL_RX : 0), 0,
                                now() + draw(60'000), 0, 0, 0);
    });
    check(taken > 0 || taken == -RUMPK_ETIMEDOUT ||
              (taken == -RUMPK_EPERM && this_core() != the_books().home_core),
          "the console's channel gives another error");
}

// What a fiber holds at its end stays mapped, for it is the cell's: the books know how much that is.
void map_some(uint64_t self) {
    Life& me = the_books().lives[self];
    const uint64_t pages = 1 + draw(3);
    me.pages = pages; // or none, where it ends in the middle
    const int64_t at = in_call(self, "map", [&] {
        return rumpk_call_map(RUMPK_HANDLE_MEMORY, 0, pages * 4096, RUMPK_RIGHT_READ | RUMPK_RIGHT_WRITE);
    });
    check(at > 0 || at == -RUMPK_ENOMEM || (at == -RUMPK_EPERM && this_core() != the_books().home_core),
          "map gives another error");
    if (at > 0) {
        const int64_t back =
            in_call(self, "unmap", [&] { return rumpk_call_unmap(static_cast<uint64_t>(at), pages * 4096); });
        check(back == 0, "unmap of what was mapped");
    }
    me.pages = 0;
}

// Whoever it is, wherever it runs: what is said of it was so at some moment.
void describe_one(uint64_t self) {
    const uint64_t target = draw(4) == 0 ? self : somebody_known(self);
    const uint64_t id = target == self ? 0 : the_books().lives[target].id;
    rumpk_meta_fiber& what = scratch(self).described;
    what = {};
    const int64_t size = in_call(self, "meta", [&] {
        return rumpk_call_meta(RUMPK_META_FIBER, scratch_address(&what), sizeof what, id);
    });
    if (size != sizeof what) {
        check(size == -RUMPK_ESRCH || (size == -RUMPK_EPERM && this_core() != the_books().home_core),
              "meta gives another error");
        return;
    }
    check(id == 0 || what.id == id, "another fiber is described");
    check(what.tier < RUMPK_TIER_COUNT && what.core < the_books().plan.cores, "a tier or core is not one");
    check((what.budget != 0) == the_books().lives[target].budgeted && what.strikes <= 3, "its budget");
    the_books().report.overran += what.strikes >= 2 ? 1 : 0;
    check(what.run_ns <= now() - the_books().lives[target].born, "a fiber has run for longer than it lives");
}

void wrong_calls(uint64_t self) {
    const uint64_t own = the_books().lives[self].id;
    const auto refused = [&](int64_t wanted, auto call, const char* what) {
        const int64_t got = in_call(self, what, call);
        // A cell that has just ended gets no fiber, and nobody looks why not.
        check(got == wanted || (the_books().plan.end == End::anew && got == -RUMPK_ENOMEM), what);
    };
    refused(-RUMPK_ESRCH, [&] { return rumpk_call_kill(own + (1ULL << 40), 1); }, "kill of nobody");
    refused(-RUMPK_EINVAL, [&] { return rumpk_call_kill(own, 256); }, "kill for reason 256");
    refused(-RUMPK_EINVAL, [] { return rumpk_call_yield(1ULL << 63, 0, 0, 0, 0, 0); }, "channel 63");
    rumpk_spawn_args& args = scratch(self).spawn;
    args = {};
    args.size = sizeof args;
    args.flags = RUMPK_SPAWN_BARE;
    args.tier = RUMPK_TIER_VOID;
    args.entry = RUMPK_WINDOW_A + RUMPK_WINDOW_SIZE;
    refused(
        -RUMPK_EFAULT, [&] { return rumpk_call_spawn(scratch_address(&args)); }, "entry outside the window");
    args.entry = entry_address();
    args.core = the_books().plan.cores;
    refused(
        -RUMPK_EINVAL, [&] { return rumpk_call_spawn(scratch_address(&args)); }, "a core that is not there");
}

// Which knows of the first cell's home core alone.
void end_other(uint64_t self) {
    if (the_books().plan.beside && this_core() == the_books().home_core) {
        (void)in_call(self, "kill", [] {
            end_beside();
            return 0;
        });
    }
}

void break_the_pledge(uint64_t self) {
    Books& books = the_books();
    if (!books.plan.pledged) {
        return;
    }
    books.lives[self].finished = true;
    ++books.report.broken;
    (void)in_call(self, "unveil", [] { return rumpk_call_unveil(0, 1, RUMPK_RIGHT_READ); });
    fail("who breaks a pledge goes on");
}

[[noreturn]] void end_the_cell(uint64_t self) {
    Books& books = the_books();
    if (!books.end_chosen) {
        books.end_chosen = true;
        books.report.code = static_cast<uint32_t>(draw(RUMPK_EXIT_MAX)); // of the machine, if that ends
    }
    (void)in_call(self, "halt", [&] { return rumpk_call_halt(books.report.code, RUMPK_SCOPE_CELL); });
    fail("the cell was ended and goes on");
}

// The lowest word of the stack is not what it was, and the kernel finds out when the fiber is left.
[[noreturn]] void overflow_stack(uint64_t self) {
    Books& books = the_books();
    books.end_chosen = true;
    books.report.code = RUMPK_EXIT_PANIC;
    *static_cast<uint64_t*>(stack_of(books.lives[self].id)) = 0;
    books.lives[self].finished = true;
    for (uint64_t left = draw(3000); left > 0; --left) {
        point(); // others get as far
    }
    for (;;) {
        (void)in_call(self, "overflow", [] { return rumpk_call_yield(0, 0, now() + 1000, 0, 0, 0); });
    }
}

void one_turn(uint64_t self) {
    switch (draw(26)) {
    case 0:
    case 1:
        return spawn_one(self);
    case 2:
        return kill_one(self);
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
        return ring_some(self);
    case 8:
    case 9: {
        (void)in_call(self, "yield", [] { return rumpk_call_yield(0, 0, 0, 0, 0, 0); });
        return;
    }
    case 10:
    case 11:
        return sleep(self, 0);
    case 12:
        return sleep(self, RUMPK_CHANNEL_RX);
    case 13:
    case 14:
    case 15:
        return wait_for_a_bell(self);
    case 16:
        return wait_for_the_console(self);
    case 17:
        return map_some(self);
    case 18:
        return wrong_calls(self);
    case 19:
        return draw(4) == 0 ? break_the_pledge(self) : end_other(self);
    case 20:
        return watch_one(self);
    case 21:
        return describe_one(self);
    default:
        for (uint64_t left = draw(30); left > 0; --left) {
            point();
            check_alive(self);
        }
    }
}

void life(uint64_t self) {
    Books& books = the_books();
    begin_life(self);
    uint64_t left = 1 + draw(books.plan.most_turns);
    while (left-- > 0 && !books.stop) {
        one_turn(self);
        const bool may_end = books.plan.end == End::cell_ends ||
                             (books.plan.end == End::anew && books.report.anew < books.plan.restarts);
        if (may_end && books.chaos && draw(60) == 0) {
            end_the_cell(self);
        }
        if (books.plan.end == End::panics && books.chaos && (books.end_chosen || draw(60) == 0)) {
            if (draw(3) == 0) {
                break_the_pledge(self); // the kernel prints, and panics
            }
            overflow_stack(self);
        }
    }
    books.lives[self].finished = true;
    if (draw(2) == 0) {
        (void)in_call(self, "end", [] { return rumpk_call_halt(0, RUMPK_SCOPE_FIBER); });
        fail("an ended fiber goes on");
    }
}

} // namespace

void spawn_from(uint64_t self) {
    spawn_one(self);
}

void live(uint64_t argument) {
    if (argument == 0) {
        look_after_all();
    } else if (argument == most_lives) { // only there to be killed
        (void)rumpk_call_yield(RUMPK_CHANNEL_RX, 0, RUMPK_NEVER, 0, 0, 0);
    } else {
        life(argument);
    }
}

} // namespace rumpk::simulated
