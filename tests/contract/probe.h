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

// A program for user privilege; only where hal.user is. Its argument points to one of these.
struct rumpk_probe_user_script {
    uint64_t call; // the address of a function to call first; 0: none
    uint64_t arguments[6];
    uint64_t result;
    // What it found: any register, of floating point, too, that was not 0 at its entry, but for argument,
    // stack and return address; the same after the call, of those that a call may lose; how many have changed
    // of those that it may not.
    uint64_t at_entry;
    uint64_t left;
    uint64_t changed;
    uint64_t then; // 0: then it returns; 1: loads a word from `place` before; 2: waits until `place` is not
                   // 0; 3: makes the call with the number `place`, whose result is `result`
    uint64_t place;
    uint64_t own; // the program's
};
extern const uint8_t rumpk_probe_user[];
extern const uint64_t rumpk_probe_user_size;
// Not 0: on this processor a load or store of the kernel's where a program may load or store is a fault.
uint64_t rumpk_probe_kept_out(void);
}

#endif
