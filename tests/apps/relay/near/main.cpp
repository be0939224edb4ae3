// SPDX-License-Identifier: Apache-2.0
//
// relay WHAT: sends numbers to the far cell and takes what it makes of them. WHAT says how the far one
// answers; `measure` prints what a number there and back costs.
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <string_view>

#include <nexus/fiber.h>
#include <nexus/time.h>

#include "tests/apps/check.h"
#include "tests/apps/relay/needs.h"
#include "tests/apps/relay/relay.h"

namespace {

using namespace std::literals;
using relay::Number;

constexpr uint64_t numbers = 1000;

struct Line {
    nexus::ring<Number>::sender there;
    nexus::ring<Number>::receiver back;
};

nexus::Result<Line> open() {
    auto there = nexus::open_sender<Number>("there");
    auto back = nexus::open_receiver<Number>("back");
    if (!there || !back) {
        return nexus::error(there ? back.error() : there.error());
    }
    return Line{*there, *back};
}

// As many under way as fit; each comes once and in order, whatever becomes of the far cell.
void stream(Line& line) {
    auto sender = nexus::spawn([&] {
        for (uint64_t i = 0; i < numbers; ++i) {
            if (!line.there.send({i, 0})) {
                return;
            }
        }
    });
    uint64_t next = 0;
    bool in_order = true;
    while (next < numbers && in_order) {
        const auto number = line.back.receive(nexus::now() + 5s);
        in_order = number && number->value == next && number->echoed == 1;
        next += in_order ? 1 : 0;
    }
    test::equal("each number comes back once and in order", static_cast<long long>(next), numbers);
    test::check("and the sender has ended", sender && sender->join());
}

// Of each life that the far cell has begun, after so many: both channels' epochs have moved, and an event
// says so of each.
void told(uint32_t restarts) {
    const rumpk_ring_descriptor& ring = nexus::systable().ring[RUMPK_RING_EVENT];
    ion::Consumer events(reinterpret_cast<std::byte*>(static_cast<uintptr_t>(ring.base)),
                         *ion::Geometry::make(ring.slots, ring.slot_size));
    uint32_t count = 0;
    bool in_order = true;
    while (const auto message = events.peek()) {
        rumpk_event_peer_epoch event{};
        if (message->tag == RUMPK_EVENT_PEER_EPOCH && message->payload.size() == sizeof event) {
            std::memcpy(&event, message->payload.data(), sizeof event);
            in_order = in_order && event.channel == 4 + count % 2 && event.epoch == 2 + count / 2;
            ++count;
        }
        (void)events.release();
    }
    test::equal("events of the other's new lives", count, 2 * restarts);
    test::check("say which channel and which life", in_order);
    test::check("as the slots do", nexus::meta_capability(4)->epoch == restarts + 1 &&
                                       nexus::meta_capability(5)->epoch == restarts + 1);
}

void measure(Line& line) {
    constexpr uint64_t rounds = 2'000;
    const auto views = [] { return nexus::detail::meta<rumpk_meta_views>(RUMPK_META_VIEWS); };
    (void)line.there.send({0, 0});
    (void)line.back.receive();
    const uint64_t flushes = views()->flushes;
    const nexus::Instant begun = nexus::now();
    for (uint64_t i = 0; i < rounds; ++i) {
        (void)line.there.send({i, 0});
        (void)line.back.receive();
    }
    const auto ns = static_cast<uint64_t>((nexus::now() - begun).count());
    std::printf("pingpong %" PRIu64 ".%02" PRIu64 "\n", ns / rounds, ns % rounds * 100 / rounds);
    std::printf("flushes %" PRIu64 "\n", views()->flushes - flushes);
}

// What is answered to whoever asks for what he was not given.
void handles() {
    using nexus::call::raw;
    bool refused = true;
    for (uint64_t slot = 6; slot < 63; ++slot) { // 4 and 5 are its channels, 6 is a share, 7 a cell
        refused = refused &&
                  raw(RUMPK_CALL_YIELD, 0, uint64_t{1} << slot, 0, RUMPK_YIELD_NOWAIT) == -RUMPK_EBADF &&
                  raw(RUMPK_CALL_YIELD, uint64_t{1} << slot, 0, 0, RUMPK_YIELD_NOWAIT) == -RUMPK_EBADF;
    }
    test::check("a slot without a channel is EBADF", refused);
    test::check("a name that it was not given is ENOENT",
                nexus::open_sender<Number>("back").error() == nexus::Errno::noent &&
                    nexus::open_receiver<Number>("there").error() == nexus::Errno::noent &&
                    nexus::open_sender<Number>("other").error() == nexus::Errno::noent);
    const auto sends = nexus::meta_capability(4);
    const auto receives = nexus::meta_capability(5);
    test::check("its ends are in its slots",
                sends && sends->kind == RUMPK_CAP_CHANNEL && sends->rights == RUMPK_RIGHT_WRITE && receives &&
                    receives->kind == RUMPK_CAP_CHANNEL && receives->rights == RUMPK_RIGHT_READ);
    bool empty = true;
    for (uint32_t slot = 8; slot < RUMPK_CAP_SLOTS; ++slot) {
        empty = empty && nexus::meta_capability(slot).error() == nexus::Errno::badf;
    }
    test::check("and nothing in others", empty);
}

// With a capability nothing is refused for the lack of one. The last row ends the image.
void needs() {
    for (const relay::Need& need : relay::needs) {
        const auto held = nexus::meta_capability(need.slot);
        test::check(need.row, held && held->kind == need.kind);
        if (&need == &relay::needs.back()) {
            std::fflush(stdout);
        }
        const int64_t answer = relay::ask(need);
        test::check("is not refused", answer != need.without);
    }
}

void two_at_one_end(Line& line) {
    auto other = nexus::spawn([&] { (void)line.back.receive(nexus::now() + 100ms); });
    nexus::yield();
    test::check("a second fiber that waits at an end is EBUSY",
                line.back.receive(nexus::now() + 10ms).error() == nexus::Errno::busy);
    (void)other->join();
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    auto line = open();
    if (what == "measure" && line) {
        measure(*line);
        return 0;
    }
    if (!test::check("the channels are there", line.has_value())) {
        return 2;
    }
    if (what == "echo" || what == "fault") {
        stream(*line);
        told(what == "fault" ? 3 : 0);
    } else if (what == "end") { // after a few
        (void)line->there.send({0, 0});
        test::check("what the other had sent is there", line->back.receive(nexus::now() + 5s).has_value());
        test::check("then the channel has ended",
                    line->back.receive(nexus::now() + 5s).error() == nexus::Errno::pipe);
    } else if (what == "lie") {
        test::check("who lies is found out",
                    line->back.receive(nexus::now() + 5s).error() == nexus::Errno::io);
    } else if (what == "needs") {
        nexus::sleep_for(100ms); // third has looked
        needs();
    } else if (what == "handles") {
        handles();
        two_at_one_end(*line);
    } else {
        nexus::sleep_for(100ms); // third does something
    }
    return test::result();
}
