// SPDX-License-Identifier: Apache-2.0
// What only the instruction set can say: registers filled with a pattern and looked
// at again. Each architecture has them in hal/arch/<arch>/probe/.
#ifndef RUMPK_TESTS_CONTRACT_PROBE_H
#define RUMPK_TESTS_CONTRACT_PROBE_H

#include <stdint.h>

extern "C" {

// Fills every register a fiber has, integer, FP, vector and their control words, from `seed`;
// waits in a loop that touches none of them until rumpk_probe_stop is not 0; returns how many
// have changed. Only what the loop itself needs is left out. Needs 32 KiB of stack.
uint64_t rumpk_probe_spin(uint64_t seed);
extern uint32_t rumpk_probe_stop;

// Fills the registers that a function must preserve, FP and rounding modes included; calls
// function(argument); returns how many have changed.
uint64_t rumpk_probe_call(void (*function)(void*), void* argument, uint64_t seed);

// How many promises of the calling convention about the state at a function's entry are broken
// right now: those that no register shows, a direction flag for one.
uint64_t rumpk_probe_entry(void);

// Position-independent code that returns 42, without a frame.
extern const uint8_t rumpk_probe_code[];
extern const uint64_t rumpk_probe_code_size;
}

#endif
