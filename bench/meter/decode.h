// SPDX-License-Identifier: Apache-2.0
//
// What an instruction does to a core's interrupts, by its code.
#pragma once

#include <cstdint>

enum class Kind : uint8_t {
    plain,
    entry,
    mask,
    unmask,
    unclear,
    trap_return,
    function_return,
    wait,
    mark,
    send,
};

// Never gives `entry`, `mark` or `send`: these are places. `unclear`: a register says what is masked.
// `before`: the instruction in front of it, 0 where it is not known.
using Decode = Kind(uint32_t code, uint32_t before);

// For the emulator's name of an architecture; nullptr if it is not known.
Decode* decoder(const char* architecture);
