// SPDX-License-Identifier: Apache-2.0
#include "hal/arch/riscv64/supervisor/sbi.h"

#include "hal/arch/riscv64/layout.h"

namespace rumpk::hal::sbi {

namespace {

constexpr uint64_t extension_timer = 0x54494D45;
constexpr uint64_t extension_ipi = 0x735049;
constexpr uint64_t extension_fence = 0x52464E43;
constexpr uint64_t extension_harts = 0x48534D;

Result call(uint64_t extension, uint64_t function, uint64_t first, uint64_t second = 0, uint64_t third = 0,
            uint64_t fourth = 0) {
    register uint64_t a0 asm("a0") = first;
    register uint64_t a1 asm("a1") = second;
    register uint64_t a2 asm("a2") = third;
    register uint64_t a3 asm("a3") = fourth;
    register uint64_t a6 asm("a6") = function;
    register uint64_t a7 asm("a7") = extension;
    asm volatile("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a3), "r"(a6), "r"(a7) : "memory");
    return {static_cast<int64_t>(a0), static_cast<int64_t>(a1)};
}

} // namespace

void console_put(uint8_t byte) {
    call(SBI_CONSOLE_PUTCHAR, 0, byte);
}

void set_timer(uint64_t ticks) {
    call(extension_timer, 0, ticks);
}

Result send_ipi(Harts harts) {
    return call(extension_ipi, 0, harts.mask, harts.base);
}

Result remote_fence_i(Harts harts) {
    return call(extension_fence, 0, harts.mask, harts.base);
}

Result remote_sfence_vma(Harts harts, uint64_t address, uint64_t size) {
    return call(extension_fence, 1, harts.mask, harts.base, address, size);
}

Result hart_start(uint64_t hart, uint64_t address, uint64_t argument) {
    return call(extension_harts, 0, hart, address, argument);
}

void shutdown(bool failed) {
    call(SBI_SYSTEM_RESET, 0, 0, failed ? SBI_REASON_SYSTEM_FAILURE : 0);
}

} // namespace rumpk::hal::sbi
