// SPDX-License-Identifier: Apache-2.0
//
// What there is without a firmware: the core-local interruptor, the serial port, and harts that have
// been waiting since reset (entry.S).
#include "hal/arch/riscv64/platform.h"

#include "hal/arch/riscv64/csr.h"
#include "hal/arch/riscv64/machine/facts.h"
#include "hal/arch/riscv64/machine/refresh.h"
#include "hal/arch/riscv64/mmio.h"
#include "hal/board/arch.h"
#include "hal/device/clint.h"
#include "hal/device/ns16550.h"

static_assert(offsetof(rumpk::hal::Core, id) == CORE_ID && sizeof(rumpk::hal::Core) == CORE_SIZE);
static_assert(CORES == HAL_MAX_CORES);

namespace rumpk::hal {

// Its contexts at the interrupt controller: machine external interrupts.
constinit const uint32_t tree_external_cause = cause_external;
constinit const uint32_t tree_bell_cause = 0; // they are where the clock is

namespace platform {

namespace {

Clint<Mmio> clint() {
    return Clint<Mmio>(machine_mode_facts.clint);
}

} // namespace

void early_put(uint8_t byte) {
    Ns16550<Mmio>(machine_mode_facts.serial).put(&byte, 1);
}

// There is no other way.
void off(bool) {}

const char* timer_begin(const MachineTree&) {
    return "CLINT";
}

void timer_program(uint64_t ticks) {
    clint().set_timer(this_core().id, ticks);
}

bool bells_begin(const MachineTree&) {
    return true;
}

// The hart looks at hal_loaded when it is rung.
int start(Core& core) {
    refresh_expects(core);
    ring(core);
    return 0;
}

// The device write is behind all that was stored before (Mmio).
void ring(const Core& core) {
    clint().ring(core.id);
}

void bell_taken() {
    clint().quiet(this_core().id);
    asm volatile("fence iorw, iorw" ::: "memory"); // pairs with ring: what was asked before is seen
    refresh_if_asked();
}

} // namespace platform
} // namespace rumpk::hal
