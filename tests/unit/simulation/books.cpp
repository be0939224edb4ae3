// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/simulation/books.h"

#include <optional>
#include <string>

#include "core/calls.h"
#include "ion/consumer.h"
#include "ion/producer.h"
#include "tests/unit/simulation/kernel.h"
#include "tests/unit/simulation/machine.h"

namespace rumpk::simulated {
namespace {

constexpr uint64_t long_time = 1'000'000'000; // ns: whatever sleeps has woken by then

Books books;

} // namespace

Books& the_books() {
    return books;
}

void plan_lives(const LifePlan& plan) {
    books = Books{};
    books.plan = plan;
}

const LifeReport& report_of_lives() {
    return books.report;
}

Scratch& scratch(uint64_t life) {
    return reinterpret_cast<Scratch*>(RUMPK_WINDOW_A + program_size)[life];
}

void know_id(uint64_t life, uint64_t id) {
    for (uint64_t other = 0; other < books.lives_begun; ++other) {
        check(other == life || books.lives[other].id != id, "one id for two fibers");
    }
    check(books.lives[life].id == 0 || books.lives[life].id == id, "a fiber has two ids");
    books.lives[life].id = id;
}

void check_alive(uint64_t self) {
    check(!books.lives[self].dead, "a fiber runs after its killer was told that it is dead");
    check(books.lives[self].core == this_core(), "a fiber runs on another core than its own");
}

void begin_life(uint64_t self) {
    Life& me = books.lives[self];
    check(!me.begun, "a fiber begins twice");
    check(!me.refused, "a fiber begins whose spawn had failed");
    me.begun = true;
    ++books.report.lives;
    rumpk_meta_self& mine = *reinterpret_cast<rumpk_meta_self*>(scratch(self).bytes);
    const int64_t size = in_call(self, "meta", [&] {
        return rumpk_call_meta(RUMPK_META_SELF, scratch_address(&mine), sizeof mine, 0);
    });
    check(size == sizeof mine, "meta of the caller");
    know_id(self, mine.fiber);
}

void enter_call(uint64_t self, const char* name) {
    point();
    check_alive(self);
    books.lives[self].in = name;
}

void leave_call(uint64_t self) {
    check_alive(self);
    went_on(this_core());
    books.lives[self].in = nullptr;
    point();
}

namespace {

// ---- the first fiber ----

void sleep_for(uint64_t nanoseconds) {
    const uint64_t until = now() + nanoseconds;
    while (now() < until) {
        (void)in_call(0, "sleep", [&] { return rumpk_call_yield(0, 0, until, 0, 0, 0); });
    }
}

// As an application finds it.
const rumpk_systable& system_table() {
    return *reinterpret_cast<const rumpk_systable*>(static_cast<uintptr_t>(machine().boot->systable_address));
}

ion::Geometry geometry_of(uint32_t which) {
    return *ion::Geometry::make(system_table().ring[which].slots, system_table().ring[which].slot_size);
}

std::byte* ring_at(uint32_t which) {
    return reinterpret_cast<std::byte*>(system_table().ring[which].base);
}

struct Streams {
    ion::Consumer in{ring_at(RUMPK_RING_RX), geometry_of(RUMPK_RING_RX)};
    ion::Producer out{ring_at(RUMPK_RING_TX), geometry_of(RUMPK_RING_TX)};
    ion::Consumer events{ring_at(RUMPK_RING_EVENT), geometry_of(RUMPK_RING_EVENT)};
    uint64_t ends = 0;
    bool input_ended = false;
};

void read_what_is_there(Streams& streams) {
    for (auto message = streams.in.peek(); message; message = streams.in.peek()) {
        books.got.append(reinterpret_cast<const char*>(message->payload.data()), message->payload.size());
        streams.input_ended |= message->tag == RUMPK_RX_END;
        (void)streams.in.release();
        if (streams.in.peer_waiting()) {
            (void)in_call(0, "bell",
                          [] { return rumpk_call_yield(0, RUMPK_CHANNEL_RX, 0, RUMPK_YIELD_NOWAIT, 0, 0); });
        }
    }
    for (auto message = streams.events.peek(); message; message = streams.events.peek()) {
        ++streams.ends;
        (void)streams.events.release();
    }
}

void write_line(Streams& streams, uint64_t number) {
    const std::string line = "line " + std::to_string(number) + " \x10 " + std::string(draw(90), 'x') + "\n";
    while (!streams.out.push(RUMPK_TX_STDOUT, std::as_bytes(std::span(line)))) {
        streams.out.arm();
        if (streams.out.full()) {
            (void)in_call(0, "room",
                          [] { return rumpk_call_yield(RUMPK_CHANNEL_TX, 0, RUMPK_NEVER, 0, 0, 0); });
        }
        streams.out.disarm();
    }
    books.report.output += line;
    if (streams.out.peer_waiting()) {
        (void)in_call(0, "bell",
                      [] { return rumpk_call_yield(0, RUMPK_CHANNEL_TX, 0, RUMPK_YIELD_NOWAIT, 0, 0); });
    }
}

// Nothing is under way any more. Who still is in a call waits for a bell, and none was lost.
void check_quiet() {
    for (uint64_t i = 1; i < books.lives_begun; ++i) {
        const Life& life = books.lives[i];
        if (life.id != 0 && !life.begun) {
            check(life.hunted, "a spawned fiber has never run");
        }
        if (!life.begun || life.hunted || life.finished) {
            continue;
        }
        check(life.parked, life.in != nullptr ? life.in : "a fiber that is not in a call does not go on");
        check(life.must_hear <= life.seen, "a bell was lost");
    }
}

bool is_gone(uint64_t id) {
    return in_call(0, "meta", [&] { return rumpk_call_meta(RUMPK_META_FIBER, 0, 0, id); }) == -RUMPK_ESRCH;
}

void end_everybody() {
    books.stop = true;
    for (uint64_t i = 1; i < books.lives_begun; ++i) {
        Life& life = books.lives[i];
        if (life.id == 0 || is_gone(life.id)) {
            continue;
        }
        scratch(0).ids[0] = life.id;
        if (draw(2) == 0) {
            life.hunted = true;
            const int64_t killed = in_call(0, "kill", [&] { return rumpk_call_kill(life.id, 9); });
            check(killed == 0 || killed == -RUMPK_ESRCH, "kill at the end");
            life.dead = life.dead || killed == 0;
        } else {
            const int64_t rung = in_call(0, "ring", [] {
                return rumpk_call_yield(0, 0, 0, RUMPK_YIELD_NOWAIT, scratch_address(scratch(0).ids), 1);
            });
            check(rung == 0 || rung == -RUMPK_ESRCH, "a bell at the end");
        }
    }
    sleep_for(long_time);
    for (uint64_t i = 1; i < books.lives_begun; ++i) {
        const Life& life = books.lives[i];
        check(life.id == 0 || is_gone(life.id), "a fiber does not end");
        check(!life.begun || life.finished || life.hunted || books.stop,
              "a fiber has ended without a reason");
    }
}

// Every slot and every page can be had again.
void check_leaks() {
    rumpk_spawn_args& args = scratch(0).spawn;
    args = {};
    args.size = sizeof args;
    args.flags = RUMPK_SPAWN_BARE;
    args.entry = entry_address();
    args.argument = most_lives; // sleeps
    args.tier = books.plan.home_tier;
    std::array<uint64_t, 64> ids{};
    uint64_t count = 0;
    for (;; ++count) {
        args.core = static_cast<uint32_t>(draw(books.plan.cores));
        const int64_t id = in_call(0, "spawn", [&] { return rumpk_call_spawn(scratch_address(&args)); });
        if (id < 0) {
            check(id == -RUMPK_ENOMEM, "no slot is left, and it is another error than ENOMEM");
            break;
        }
        ids[count] = static_cast<uint64_t>(id);
    }
    check(count == books.plan.slots - 1, "a slot was lost");
    for (uint64_t i = 0; i < count; ++i) {
        check(in_call(0, "kill", [&] { return rumpk_call_kill(ids[i], 3); }) == 0, "kill of a sleeper");
    }
    sleep_for(long_time);
}

// The next map gives back what those had taken that were killed in the middle of one.
void check_maps() {
    uint64_t held = 0;
    for (const Life& life : books.lives) {
        held += life.pages;
    }
    const int64_t at = in_call(0, "map", [] {
        return rumpk_call_map(RUMPK_HANDLE_MEMORY, 0, 4096, RUMPK_RIGHT_READ | RUMPK_RIGHT_WRITE);
    });
    check(at > 0 || (at == -RUMPK_ENOMEM && held >= map_pages), "the first fiber gets no page");
    check_pages(held + 1);
}

[[noreturn]] void end_well(Streams& streams) {
    for (uint64_t tries = 0; !streams.input_ended && tries < 1000; ++tries) {
        (void)in_call(0, "input",
                      [] { return rumpk_call_yield(RUMPK_CHANNEL_RX, 0, now() + 50'000, 0, 0, 0); });
        read_what_is_there(streams);
    }
    check(streams.input_ended && books.got == books.plan.input, "the input is not what was sent");
    books.report.code = static_cast<uint32_t>(draw(RUMPK_EXIT_MAX));
    const auto scope = books.plan.end == End::anew ? RUMPK_SCOPE_MACHINE : RUMPK_SCOPE_CELL;
    (void)in_call(0, "halt", [&] { return rumpk_call_halt(books.report.code, scope); });
    fail("the first fiber has ended the cell, and goes on");
}

// Nothing is left of the life before but what has gone through the rings, and nobody of it runs anywhere.
void begin_anew() {
    check(books.plan.end == End::anew && books.report.anew < books.plan.restarts,
          "the cell begins anew, and nobody has ended it");
    check_alone();
    for (const std::byte byte : scratch(0).bytes) {
        check(byte == std::byte{}, "memory of the life before");
    }
    books.lives = {};
    books.lives_begun = 1;
    books.prey = 0;
    books.end_chosen = false;
    ++books.report.anew;
}

} // namespace

void look_after_all() {
    if (books.lives[0].begun) {
        begin_anew();
    }
    books.lives[0].core = books.home_core = this_core();
    books.lives[0].tier = books.plan.home_tier;
    begin_life(0);
    if (books.plan.pledged) {
        __builtin_memcpy(scratch(0).bytes, "stdio", 6);
        check(in_call(0, "pledge", [] { return rumpk_call_pledge(scratch_address(scratch(0).bytes)); }) == 0,
              "pledge");
    }
    Streams streams;
    books.chaos = true;
    for (uint64_t round = 0; round < books.plan.rounds; ++round) {
        for (uint64_t i = draw(6); i > 0; --i) {
            spawn_from(0);
        }
        write_line(streams, round);
        (void)in_call(0, "input",
                      [] { return rumpk_call_yield(RUMPK_CHANNEL_RX, 0, now() + draw(20'000), 0, 0, 0); });
        read_what_is_there(streams);
    }
    sleep_for(long_time);
    books.chaos = false;
    check_quiet();
    end_everybody();
    check_leaks();
    check_maps();
    end_well(streams);
}

} // namespace rumpk::simulated
