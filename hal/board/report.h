// SPDX-License-Identifier: Apache-2.0
//
// Lines of the HAL itself: only when the machine cannot go on.
#pragma once

#include <cstdint>

namespace rumpk::hal {

// Text may come from a device tree: what a terminal should not get is shown as '?'.
void say(const char* text);
void say(uint64_t number); // decimal
void say_hex(uint64_t number);

[[noreturn]] void end_refused();

// A fault that nobody can handle.
struct LastFault {
    const char* what;
    const char* where;
    uint64_t pc;
    uint64_t address;
};

// A line of its own, and the end of the machine. `before`: how often this was called before, for both may
// fault in their turn; the line is the first one's, whatever comes of saying it.
[[noreturn]] void end_faulted(const LastFault& fault, uint32_t before);

// "rumpk: <parts>" and the end of the machine. Parts are texts and numbers.
template <typename... Parts>
[[noreturn]] void refuse(Parts... parts) {
    say("rumpk: ");
    (say(parts), ...);
    end_refused();
}

} // namespace rumpk::hal
