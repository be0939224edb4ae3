// SPDX-License-Identifier: Apache-2.0
#include "hal/arch/aarch64/psci.h"

#include "hal/arch/aarch64/layout.h"

namespace rumpk::hal::psci {

namespace {

constexpr uint64_t function_cpu_on = 0xC4000003;

constinit Conduit conduit = Conduit::hvc;

int64_t call(uint64_t function, uint64_t first = 0, uint64_t second = 0, uint64_t third = 0) {
    register uint64_t x0 asm("x0") = function;
    register uint64_t x1 asm("x1") = first;
    register uint64_t x2 asm("x2") = second;
    register uint64_t x3 asm("x3") = third;
#define RUMPK_PSCI_CALL(instruction)                                                                         \
    asm volatile(instruction " #0"                                                                           \
                 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)                                                    \
                 :                                                                                           \
                 : "memory", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",   \
                   "x16", "x17")
    if (conduit == Conduit::hvc) {
        RUMPK_PSCI_CALL("hvc");
    } else {
        RUMPK_PSCI_CALL("smc");
    }
#undef RUMPK_PSCI_CALL
    return static_cast<int64_t>(x0);
}

} // namespace

void use(Conduit wanted) {
    conduit = wanted;
}

int64_t cpu_on(uint64_t affinity, uint64_t address, uint64_t argument) {
    return call(function_cpu_on, affinity, address, argument);
}

void system_off() {
    (void)call(PSCI_SYSTEM_OFF);
}

} // namespace rumpk::hal::psci
