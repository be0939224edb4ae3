// SPDX-License-Identifier: Apache-2.0
//
// What start-up learnt of the program itself; written once before the first constructor runs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/call.h"

namespace nexus::detail {

struct Process {
    rumpk_meta_self self;
    uint64_t heap_used; // bytes of [heap_base, heap_end) that are given out or skipped so far
    uint64_t secret;    // for the stack protector; 0: the machine has no entropy
};

extern constinit Process process;

// Before anything is taken: draws what nobody shall know beforehand, the secret and where in its first 64th,
// at most a MiB, the heap begins. Without entropy it begins at its base.
void draw_secrets();

// Takes memory off the heap's start, before malloc's; never given back. nullptr: too little
// left. 16-byte aligned.
[[nodiscard]] void* take_memory(size_t bytes);

struct Arguments {
    int count;
    char** values; // `count` of them and a null pointer
};

// The boot arguments as main wants them: values[0] is the cell's name.
[[nodiscard]] Arguments make_arguments();

// Ends the cell with what the low 8 bits say, like POSIX; nothing is flushed and no handler runs.
[[noreturn]] void end_cell(int code);

// The code of a program that abort ended: 128 + SIGABRT, as a shell would show it.
inline constexpr int abort_code = 134;

// Says "libnexus: <what>" on standard error, then aborts.
[[noreturn]] void die(const char* what);

} // namespace nexus::detail
