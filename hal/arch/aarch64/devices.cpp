// SPDX-License-Identifier: Apache-2.0
#include "hal/arch/aarch64/devices.h"

#include "abi/console.h"
#include "hal/arch/aarch64/layout.h"
#include "hal/arch/aarch64/mmio.h"
#include "hal/arch/aarch64/psci.h"
#include "hal/arch/aarch64/sysreg.h"
#include "hal/board/arch.h"
#include "hal/board/machine_facts.h"
#include "hal/board/memory.h"
#include "hal/device/gicv3.h"
#include "hal/device/pl011.h"
#include "hal/device/pl031.h"

namespace rumpk::hal {

namespace {

constinit Pl011<Mmio> serial;
constinit Gicv3<Mmio> gic;
constinit uint64_t rtc = 0; // address of its registers; 0: none

bool map_registers(const TreeDevice& device, uint64_t& address) {
    if (!device.present()) {
        return true;
    }
    address = memory_map_device(device.registers);
    return address != 0;
}

// Before the tree was read, or where what it said cannot be used: the port that every machine
// of this kind has. None: nothing is said.
Pl011<Mmio>& port() {
    if (!serial.present()) {
        serial = Pl011<Mmio>(memory_early_device(machine_facts.early_device));
    }
    return serial;
}

const char* begin_lines(const MachineTree& tree) {
    uint64_t distributor = 0;
    uint64_t redistributors = 0;
    TreeDevice each{.registers = tree.redistributors};
    if (!map_registers(tree.gic, distributor) || !map_registers(each, redistributors)) {
        return "devices do not fit into the address space";
    }
    gic = Gicv3<Mmio>(distributor, redistributors, tree.redistributors.size);
    if (!gic.begin()) {
        return "the interrupt controller is none of version 3";
    }
    for (uint32_t index = 0; index < tree.harts.size(); ++index) {
        cores[index].lines = gic.redistributor_of(cores[index].id);
        if (cores[index].lines == 0) {
            return "a processor has no place at the interrupt controller";
        }
    }
    return nullptr;
}

} // namespace

extern const char* const serial_compatible = "arm,pl011";

const char* devices_begin(const MachineTree& tree) {
    uint64_t serial_registers = 0;
    if (!map_registers(tree.serial, serial_registers) || !map_registers(tree.rtc, rtc)) {
        return "devices do not fit into the address space";
    }
    // Before anything is printed through it: what is no port would be waited for for ever.
    Pl011<Mmio> found(serial_registers);
    if (!found.begin()) {
        return "the serial port does not answer";
    }
    serial = found;
    psci::use(tree.firmware_by_smc ? psci::Conduit::smc : psci::Conduit::hvc);
    return begin_lines(tree);
}

void devices_distrust() {
    serial = Pl011<Mmio>();
}

void device_lines_begin() {
    gic.begin_core(this_core().lines, uint32_t{1} << line_timer | uint32_t{1} << line_message);
    // IHI 0069, 12.2: by system registers; every priority heard; "done" in two steps, so that a
    // device's line stays quiet from its claim to device_done while others come through.
    constexpr uint64_t two_steps = 1 << 1; // ICC_CTLR_EL1.EOImode
    write_icc_sre(ICC_SRE_SRE);
    isb();
    write_icc_priority_mask(0xff);
    write_icc_control(two_steps);
    write_icc_group1_enable(1);
    isb();
}

uint64_t wall_clock() {
    return rtc != 0 ? pl031_now<Mmio>(rtc) : 0;
}

uint32_t interrupt_claim() {
    constexpr uint64_t line_bits = 0xffffff;
    auto line = static_cast<uint32_t>(read_icc_acknowledge() & line_bits);
    if (line == line_none) {
        return line;
    }
    // 4.1.1: what the acknowledge changed is in effect before the handler goes on.
    asm volatile("dsb sy" ::: "memory");
    write_icc_end(line);
    isb();
    return line;
}

void interrupt_done(uint32_t line) {
    write_icc_deactivate(line);
}

uint32_t register_read(uint64_t address) {
    return Mmio::read32(address);
}

int device_enable(uint32_t line) {
    return gic.enable(line, this_core().id) ? 0 : -RUMPK_EINVAL;
}

void device_done(uint32_t line) {
    // What the handler has told the device is there before the line is looked at again.
    asm volatile("dsb sy" ::: "memory");
    interrupt_done(line);
}

int64_t console_read(uint8_t* buffer, uint64_t size) {
    return static_cast<int64_t>(serial.read(buffer, size));
}

int64_t console_write(uint32_t, const uint8_t* buffer, uint64_t size) {
    return static_cast<int64_t>(serial.write(buffer, size));
}

void console_put(uint32_t, const uint8_t* buffer, uint64_t size) {
    if (port().present()) {
        port().put(buffer, size);
    }
}

void console_flush() {
    if (port().present()) {
        port().flush();
    }
}

void power_off(uint32_t) {
    asm volatile("msr daifset, %0" ::"i"(DAIF_ALL) : "memory");
    console_flush();
    firmware_off();
    stop();
}

// The machine has no switch that carries a code: the line does (abi/console.h).
void end_early(uint32_t code) {
    const uint8_t frame[] = {RUMPK_CONSOLE_DLE, RUMPK_CONSOLE_EXIT, static_cast<uint8_t>(code)};
    console_put(HAL_CONSOLE_KERNEL, frame, sizeof frame);
    power_off(code);
}

void firmware_off() {
    psci::system_off();
}

void stop() {
    asm volatile("msr daifset, %0" ::"i"(DAIF_ALL) : "memory");
    for (;;) {
        asm volatile("wfi");
    }
}

} // namespace rumpk::hal
