// SPDX-License-Identifier: Apache-2.0
// From the process's arguments to the one string of boot arguments.
//
//   IMAGE [rumpk.OPTION=VALUE]... [--] [ARGUMENT]...
//
// Options come first and all begin with "rumpk."; the rest is the application's,
// raw, and leaves here percent-encoded. This machine keeps for itself:
//   rumpk.memory=<bytes>   RAM, a multiple of 4096
//   rumpk.cores=<n>        1..8
//   rumpk.telemetry=<fd>   an open descriptor, both ways, for a program (abi/telemetry.h)
#ifndef RUMPK_HAL_MACHINE_HOST_ARGUMENTS_H
#define RUMPK_HAL_MACHINE_HOST_ARGUMENTS_H

#include <stddef.h>
#include <stdint.h>

namespace rumpk::hal {

struct Arguments {
    uint64_t memory = 128ull << 20;
    uint32_t cores = 1;
    int telemetry = -1;          // none
    const char* wrong = nullptr; // an option of ours whose value makes no sense; NULL: all is well
    const char* takes = nullptr; // what it takes, for a person
};

// Bytes that the string needs at most, its NUL included.
[[nodiscard]] size_t arguments_size(int count, const char* const* values);

// Writes the string to `text`, which has that many bytes.
Arguments arguments_read(int count, const char* const* values, char* text);

} // namespace rumpk::hal

#endif
