// SPDX-License-Identifier: Apache-2.0
// What this machine itself has to say, always on standard error, and how it ends
// when it cannot go on. Safe in signal handlers: write(2) and _exit(2) alone.
#ifndef RUMPK_HAL_MACHINE_HOST_MESSAGE_H
#define RUMPK_HAL_MACHINE_HOST_MESSAGE_H

#include <stdint.h>

namespace rumpk::hal {

// One line "rumpk: <text>", or "rumpk: <text>: <detail>".
void say(const char* text, const char* detail = nullptr);
void say_number(const char* text, uint64_t number); // "rumpk: <text>0x..."

// The machine could not be started: says why and exits with RUMPK_EXIT_USAGE.
[[noreturn]] void die(const char* text, const char* detail = nullptr);

// The same, with what errno means as the detail.
[[noreturn]] void die_errno(const char* text);

// Some of the bytes to a descriptor, whatever is in the way: interrupted, non-blocking,
// slow. How many; -1 when the descriptor takes no more (errno says why). A reader that
// is gone ends the process as SIGPIPE does.
int64_t write_some(int descriptor, const uint8_t* bytes, uint64_t size);

// All of them, or false.
bool write_all(int descriptor, const uint8_t* bytes, uint64_t size);

} // namespace rumpk::hal

#endif
