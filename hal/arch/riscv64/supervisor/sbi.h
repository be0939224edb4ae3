// SPDX-License-Identifier: Apache-2.0
//
// The firmware's calls (RISC-V SBI specification 1.0). They keep every register
// but a0 and a1, and may be made in any state, on any stack.
#pragma once

#include <cstdint>

namespace rumpk::hal::sbi {

// Chapter 3: error 0 is success, less is one of the codes there.
struct Result {
    int64_t error;
    int64_t value;
};

// 9.1: harts_base + bit number is a hart id; base ~0 means all harts.
struct Harts {
    uint64_t mask;
    uint64_t base;
};

// 3.1: base of all ones.
constexpr Harts all_harts{0, ~uint64_t{0}};

constexpr int64_t already_available = -6;

// 5.2, legacy: polls, turns \n into \r\n.
void console_put(uint8_t byte);

// 6.1: an interrupt when `time` reaches it; all ones: none. Clears one that is pending.
void set_timer(uint64_t ticks);

// 7.1: software interrupt.
Result send_ipi(Harts harts);

// 8.1: FENCE.I there. 8.2: SFENCE.VMA there for [address, +size); size all ones: everything.
Result remote_fence_i(Harts harts);
Result remote_sfence_vma(Harts harts, uint64_t address, uint64_t size);

// 9.1: starts a hart at a physical address in S-mode, MMU off, a0 = its id, a1 = argument.
Result hart_start(uint64_t hart, uint64_t address, uint64_t argument);

// 10.1: returns only where the machine cannot.
void shutdown(bool failed);

} // namespace rumpk::hal::sbi
