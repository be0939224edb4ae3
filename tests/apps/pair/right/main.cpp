// SPDX-License-Identifier: Apache-2.0
//
// The second of the pair, without a console: what it does is the second argument, and it says by its exit
// code how that went.
#include <array>
#include <cstdio>
#include <cstring>
#include <string_view>

#include <nexus/fiber.h>
#include <nexus/meta.h>

#include "tests/apps/pair/places.h"

namespace {

using namespace std::literals;
using nexus::call::raw;

constexpr int held = 42;
constexpr int not_held = 43;

void sleep_for_ever() {
    nexus::sleep_until(nexus::never);
}

// Its second fiber lives as long as it does.
int look_after_a_fiber() {
    auto fiber = nexus::spawn([] { sleep_for_ever(); });
    if (!fiber) {
        return not_held;
    }
    for (int i = 0; i < 10; ++i) {
        nexus::sleep_for(10ms);
        if (!nexus::meta_fiber(fiber->id())) {
            return not_held;
        }
    }
    return held;
}

// What it was not given: standard input and output, and the machine.
int do_without() {
    std::array<char, 3000> text{};
    text.fill('x');
    bool refused = nexus::meta_capability(2).error() == nexus::Errno::badf &&
                   nexus::meta_capability(3).error() == nexus::Errno::badf &&
                   raw(RUMPK_CALL_WRITE, 1, nexus::call::address(text.data()), 8) == -RUMPK_EPERM &&
                   raw(RUMPK_CALL_READ, 0, nexus::call::address(text.data()), 8) == -RUMPK_EPERM &&
                   raw(RUMPK_CALL_HALT, 0, RUMPK_SCOPE_MACHINE) == -RUMPK_EPERM &&
                   raw(RUMPK_CALL_YIELD, 0, RUMPK_CHANNEL_CONSOLE, 0, RUMPK_YIELD_NOWAIT) == -RUMPK_EBADF;
    bool ended = false;
    for (int i = 0; i < 100 && !ended; ++i) { // more than the ring holds that nobody reads
        ended = std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0;
    }
    return refused && ended && std::getchar() == EOF ? held : not_held;
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 2 ? argv[2] : "";
    if (what == "sleep") {
        sleep_for_ever();
    } else if (what == "end") {
        return 5;
    } else if (what == "fiber") {
        return look_after_a_fiber();
    } else if (what == "without") {
        return do_without();
    } else if (what == "null") {
        (void)pair::read_at(0);
    } else if (what == "read") {
        (void)pair::read_at(pair::window_of_left + pair::text);
    } else if (what == "write") {
        pair::write_at(pair::window_of_left + pair::ring);
    }
    return not_held;
}
