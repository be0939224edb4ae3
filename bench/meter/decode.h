// SPDX-License-Identifier: Apache-2.0
//
// What an instruction does to a core's interrupts, by its code.
#pragma once

#include <cstdint>

enum class Kind : uint8_t { plain, entry, mask, unmask, unclear, trap_return, function_return, mark };

// Never gives `entry` or `mark`: these are places. `unclear`: a register says what is masked.
using Decode = Kind(uint32_t code);

// For the emulator's name of an architecture; nullptr if it is not known.
Decode* decoder(const char* architecture);
