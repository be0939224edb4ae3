// SPDX-License-Identifier: Apache-2.0
//
// Tasks with the real kernel under them: deadlines, channels within the fiber, from other fibers and from a
// higher tier, rings of a spawned fiber's, ends of fibers, cancellation, memory that runs out.
#include <cstring>

#include <nexus/meta.h>
#include <nexus/ring.h>
#include <nexus/task.h>

#include "tests/apps/check.h"

namespace {

using namespace std::chrono_literals;
using nexus::Errno;
using nexus::error;
using nexus::task;
using nexus::tasks;

alignas(4096) std::byte memory[64 * 4096];

task<int> later(tasks& here, nexus::Duration delay, int value) {
    co_await here.sleep_for(delay);
    co_return value;
}

task<long> sums(tasks& here, nexus::channel<long, 8>& from) {
    long total = 0;
    while (const auto value = co_await here.receive(from)) {
        total += *value;
    }
    co_return total;
}

task<> numbers(tasks& here, nexus::channel<long, 8>& to, long count) {
    for (long i = 1; i <= count; ++i) {
        if (!co_await here.send(to, i)) {
            co_return;
        }
    }
    to.close();
}

void waiting(tasks& here) {
    const nexus::Instant begun = nexus::now();
    const auto both = [](tasks& inner) -> task<int> {
        const auto [a, b] = co_await nexus::when_all(later(inner, 20ms, 1), later(inner, 10ms, 2));
        co_return *a + *b;
    };
    test::check("when_all", here.run(both(here)) == 3);
    test::check("the later of the two ended it", nexus::now() - begun >= 20ms);
    const auto first = [](tasks& inner) -> task<size_t> {
        const auto won = co_await nexus::when_any(later(inner, 10s, 1), later(inner, 5ms, 2));
        co_return won.index();
    };
    test::check("when_any", here.run(first(here)) == 1u);
    test::check("does not wait for the other", nexus::now() - begun < 5s);
    const auto before = nexus::meta_system();
    (void)here.run(later(here, 30ms, 0));
    const auto after = nexus::meta_system();
    test::check("no timer interrupt served a cancelled deadline",
                before && after && after->timer_interrupts - before->timer_interrupts == 1);
}

void within() {
    tasks here{memory};
    nexus::channel<long, 8> channel;
    test::check("spawn", here.spawn(numbers(here, channel, 1000)).has_value());
    test::check("a channel within the fiber", here.run(sums(here, channel)) == 500500L);
}

// Tasks on this fiber, on another of the tier, and on one of a higher tier, in a row.
void between(tasks& here) {
    static nexus::channel<long, 8> to_photon;
    static nexus::channel<long, 8> from_photon;
    alignas(16) static std::byte stack[16384]; // the kernel under a sanitizer needs more than 4096 bytes
    auto feeder = *nexus::spawn(
        [] {
            alignas(4096) static std::byte own[4 * 4096];
            tasks there{own};
            (void)there.run(numbers(there, to_photon, 1000));
        },
        {.name = "feeder", .stack_size = sizeof stack});
    const auto photon = nexus::spawn(
        [](uint64_t) {
            alignas(4096) static std::byte own[4 * 4096];
            tasks there{own};
            const auto doubles = [](tasks& inner) -> task<> {
                while (const auto value = co_await inner.receive(to_photon)) {
                    (void)co_await inner.send(from_photon, *value * 2);
                }
                from_photon.close();
            };
            (void)there.run(doubles(there));
        },
        0, {.name = "photon", .tier = nexus::Tier::photon, .stack = stack, .bare = true});
    test::check("a fiber of a higher tier", photon.has_value());
    const auto both = [](tasks& inner, nexus::Fiber& fiber) -> task<long> {
        const auto total = co_await sums(inner, from_photon);
        const auto code = co_await inner.join(fiber);
        test::check("the end of a fiber", code == 0);
        co_return total.value_or(0);
    };
    test::check("channels between fibers", here.run(both(here, feeder)) == 1001000L);
}

// Rings of two slots, so that each side sleeps at both of its own all the time.
using Ring = nexus::ring<long>;
constexpr nexus::RingShape small = {.slots = 2, .slot_size = 32};

task<long> receives(tasks& here, Ring::receiver& from) {
    long total = 0;
    while (co_await here.readable(from.end(), from.wait_channels())) {
        const auto value = from.try_receive();
        if (!value) {
            break; // EPIPE
        }
        total += *value;
    }
    co_return total;
}

task<bool> sends(tasks& here, Ring::sender& to, long count) {
    bool all = true;
    for (long i = 1; i <= count; ++i) {
        all &=
            (co_await here.writable(to.end(), to.wait_channels())).has_value() && to.try_send(i).has_value();
    }
    to.close();
    co_return all;
}

// What comes over the fiber's one ring goes out over its other, doubled.
task<bool> passes_on(tasks& here, Ring::receiver& from, Ring::sender& to) {
    bool all = true;
    while (co_await here.readable(from.end(), from.wait_channels())) {
        const auto value = from.try_receive();
        if (!value) {
            break;
        }
        all &= (co_await here.writable(to.end(), to.wait_channels())).has_value() &&
               to.try_send(*value * 2).has_value();
    }
    to.close();
    co_return all;
}

void over_rings(tasks& here) {
    auto fiber = *nexus::spawn(
        [] {
            alignas(4096) static std::byte own[4 * 4096];
            tasks there{own};
            auto in = *Ring::receiver::open(*nexus::meta_ring(nexus::RingEnd::rx),
                                            nexus::RingBell::of_own(nexus::RingEnd::rx));
            auto out = *Ring::sender::open(*nexus::meta_ring(nexus::RingEnd::tx),
                                           nexus::RingBell::of_own(nexus::RingEnd::tx));
            test::check("passed on", there.run(passes_on(there, in, out)) == true);
        },
        {.name = "rings", .stack_size = 16384, .rx = small, .tx = small});
    const auto id = static_cast<uint64_t>(fiber.id());
    auto to = *Ring::sender::open(*nexus::meta_ring(fiber.id(), nexus::RingEnd::rx),
                                  {.wait = RUMPK_CHANNEL_RX, .bell = 0, .peer = id});
    auto from = *Ring::receiver::open(*nexus::meta_ring(fiber.id(), nexus::RingEnd::tx),
                                      {.wait = RUMPK_CHANNEL_RX, .bell = 0, .peer = id | RUMPK_PEER_TX});
    const auto both = [&](tasks& inner) -> task<long> {
        const auto [sent, total] = co_await nexus::when_all(sends(inner, to, 1000), receives(inner, from));
        test::check("all were sent", sent == true);
        co_return total.value_or(0);
    };
    test::check("rings between fibers", here.run(both(here)) == 1001000L);
    test::check("tasks slept at the ring", to.statistics().waits > 0 && from.statistics().waits > 0);
    test::check("the end of the other", fiber.join() == 0);
}

void cancelled() {
    static char log[8];
    static size_t logged;
    struct Mark {
        char name;
        ~Mark() { log[logged++] = name; }
    };
    const auto outer = [](tasks& inner) -> task<> {
        const Mark mark{'o'};
        (void)co_await [](tasks& innermost) -> task<> {
            const Mark own{'i'};
            co_await innermost.sleep_for(10s);
        }(inner);
    };
    {
        tasks here{memory};
        test::check("spawn", here.spawn(outer(here)).has_value());
        (void)here.run(later(here, 1ms, 0));
    }
    test::check("cancelling runs destructors, the innermost first", std::strcmp(log, "io") == 0);
}

void out_of_memory() {
    tasks here{std::span(memory).first(4096)};
    const auto deeper = [](tasks& inner, auto& self) -> task<nexus::Result<int>> {
        const nexus::Result<int> below = co_await self(inner, self);
        co_return below ? nexus::Result<int>(*below + 1) : below;
    };
    test::check("out of memory is ENOMEM", here.run(deeper(here, deeper)) == error(Errno::nomem));
    test::equal("and leaves no frame", static_cast<long long>(here.frames()), 0);
}

} // namespace

int main() {
    tasks here{std::span(memory).last(32 * 4096)};
    waiting(here);
    between(here);
    over_rings(here);
    within();
    cancelled();
    out_of_memory();
    return test::result();
}
