// SPDX-License-Identifier: Apache-2.0
//
// What the attacker knows of the kernel and of the processor: one of the files beside this one has it, by
// the compiler's target.
#pragma once

#include <cstdint>

// An instruction that user privilege does not have, by its number: the assembler need not know it.
#define INSTRUCTION(word) [] { asm volatile(".long " #word ::: "memory"); }

struct Kernel {
    uint64_t stack;         // of its boot: the end of its own memory
    uint64_t memory;        // what it may hand out
    uint64_t text;          // its first instruction
    uint64_t firmware;      // of whatever started it
    uint64_t device_window; // registers, as the kernel maps them
    uint64_t uart;          // where the console's are before anything is mapped; in a window
    void (*read_status)();
    void (*write_page_table)();
    void (*return_from_trap)();
    void (*flush_translations)();
    void (*wait_for_interrupt)();
    void (*mask_interrupts)();
    void (*break_)();
    void (*semihosting)(uint64_t operation, const void* block); // to whoever debugs or emulates the machine
};
extern const Kernel kernel;
