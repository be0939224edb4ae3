// SPDX-License-Identifier: Apache-2.0
//
// What firmware does, or lets supervisor mode do (Sstc 1.0).
#include "hal/arch/riscv64/platform.h"

#include <atomic>

#include "hal/arch/riscv64/csr.h"
#include "hal/arch/riscv64/supervisor/sbi.h"

extern "C" {
void hal_secondary_entry();
void hal_secondary_late();
uint64_t hal_probe_stimecmp();

// Where a hart goes on that comes to the first one's entry (entry.S); 0: it is the first. Read before
// anything is zeroed, so it is among what the image brings.
[[gnu::section(".data")]] constinit std::atomic<uint64_t> hal_started_late = 0;
}

namespace rumpk::hal {

// Its contexts at the interrupt controller: supervisor external interrupts.
constinit const uint32_t tree_external_cause = cause_external;

namespace platform {

namespace {
constinit bool has_sstc = false;
}

void early_put(uint8_t byte) {
    sbi::console_put(byte);
}

void off(bool failed) {
    sbi::shutdown(failed);
}

// A processor may have Sstc and firmware not have opened it.
const char* timer_begin(const MachineTree& tree) {
    has_sstc = tree.sstc && hal_probe_stimecmp() != 0;
    return has_sstc ? "Sstc" : "SBI";
}

void timer_program(uint64_t ticks) {
    if (has_sstc) {
        write_stimecmp(ticks);
    } else {
        sbi::set_timer(ticks);
    }
}

// OpenSBI 1.1 says first that the hart may start, and takes down then where and with what. One that has just
// finished its own preparations looks in between, and comes by what stood there before: the kernel's entry,
// where the boot hart came in.
int start(Core& core) {
    hal_started_late.store(reinterpret_cast<uint64_t>(&hal_secondary_late), std::memory_order_relaxed);
    asm volatile("fence w, w" ::: "memory"); // before firmware says so
    sbi::Result result = sbi::hart_start(core.id, reinterpret_cast<uint64_t>(&hal_secondary_entry),
                                         reinterpret_cast<uint64_t>(&core));
    return result.error == 0 ? 0 : result.error == sbi::already_available ? -RUMPK_EEXIST : -RUMPK_EIO;
}

void bell_taken() {
    clear_ip(interrupt_bit(cause_software));
}

} // namespace platform
} // namespace rumpk::hal
