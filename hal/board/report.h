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

// "rumpk: <parts>" and the end of the machine. Parts are texts and numbers.
template <typename... Parts>
[[noreturn]] void refuse(Parts... parts) {
    say("rumpk: ");
    (say(parts), ...);
    end_refused();
}

} // namespace rumpk::hal
