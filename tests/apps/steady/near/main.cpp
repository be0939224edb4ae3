// SPDX-License-Identifier: Apache-2.0
//
// steady quiet, steady faults: for ./rumpk bench cells: how many messages go to the far cell and back within
// a span of time while a third one does nothing, or faults and begins anew all the time; and what this cell's
// own fiber had of the core for each.
#include <chrono>
#include <cinttypes>
#include <cstdio>

#include <nexus/meta.h>
#include <nexus/time.h>

#include "tests/apps/relay/relay.h"

namespace {

using relay::Number;
using namespace std::literals;

constexpr uint32_t lives_slot = 6; // behind those of the two channels

uint64_t run_time() {
    return nexus::meta_fiber()->run_ns;
}

} // namespace

int main() {
    auto there = nexus::open_sender<Number>("there");
    auto back = nexus::open_receiver<Number>("back");
    if (!there || !back) {
        return 2;
    }
    const auto exchange = [&](uint64_t value) {
        return there->send({value, 0}) && back->receive().has_value();
    };
    (void)run_time(); // times are counted from the first question on
    if (!exchange(0)) {
        return 3;
    }
    const uint32_t life = nexus::meta_capability(lives_slot)->epoch;
    const uint64_t had = run_time();
    const nexus::Instant begun = nexus::now();
    uint64_t messages = 0;
    while (nexus::now() - begun < 50ms) {
        if (!exchange(++messages)) {
            return 4;
        }
    }
    const auto ns = static_cast<uint64_t>((nexus::now() - begun).count());
    const auto per_million = [](uint64_t count, uint64_t of) { return count * 1'000'000 / of; };
    std::printf("messages %" PRIu64 "\n", per_million(2 * messages, ns));
    std::printf("own %" PRIu64 "\n", per_million(2 * messages, run_time() - had));
    std::printf("lives %" PRIu32 "\n", nexus::meta_capability(lives_slot)->epoch - life);
}
