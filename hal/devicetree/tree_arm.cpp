// SPDX-License-Identifier: Apache-2.0
#include <initializer_list>

#include "hal/devicetree/tree_reader.h"

namespace rumpk::hal {

namespace {

// By Kind; some have further names.
constexpr const char* kind_names = "arm,pl011\0"
                                   "arm,gic-v3\0"
                                   "arm,pl031\0"
                                   "\0"
                                   "virtio,mmio\0"
                                   "\0"
                                   "arm,psci-1.0\0"
                                   "arm,psci-0.2";
constexpr uint32_t kind_name_count = 8;
constexpr uint32_t second_name_of_firmware = 7;

// GICv3 architecture specification, IHI 0069, 2.2: a processor's own lines come before those of devices.
constexpr uint32_t first_own_line = 16;
constexpr uint32_t first_shared_line = 32;
constexpr uint32_t lines_end = 1020;
// 12.9 and 12.11: the registers of a distributor, and of one processor's redistributor.
constexpr uint64_t distributor_size = 0x10000;
constexpr uint64_t redistributor_size = 0x20000;

} // namespace

Kind TreeReader::kind() const {
    uint32_t index = compatible(kind_names, kind_name_count);
    return index == second_name_of_firmware ? Kind::firmware
           : index < kind_name_count        ? static_cast<Kind>(index)
                                            : Kind::unknown;
}

bool TreeReader::read_cpu_features() {
    return true;
}

bool TreeReader::read_cpu_part(TreeHart&) {
    return true;
}

// Three words: 0 for a line of devices, 1 for a processor's own; its number; how it is triggered.
bool TreeReader::read_line(const Property& interrupts, uint32_t& line) {
    if (interrupts.length < 12) {
        return fail("interrupts has a bad length");
    }
    uint32_t type = interrupts.u32(0);
    uint32_t number = interrupts.u32(4);
    uint32_t first = type == 0 ? first_shared_line : first_own_line;
    uint32_t end = type == 0 ? lines_end : first_shared_line;
    if (type > 1 || number >= end - first) {
        return fail(property_interrupts);
    }
    line = first + number;
    return true;
}

bool TreeReader::read_device(const Level& level, const Level& parent) {
    switch (kind()) {
    case Kind::serial:
        return read_registers(level, parent, HAL_PAGE_SIZE, machine_.serial);
    case Kind::lines:
        return read_lines(level, parent);
    case Kind::rtc:
        return read_registers(level, parent, 4, machine_.rtc);
    case Kind::virtio:
        return read_transport(level, parent);
    case Kind::firmware: {
        const char* method = "";
        if (!string(property_method, method)) {
            return false;
        }
        machine_.firmware_by_smc = same(method, "smc");
        return machine_.firmware_by_smc || same(method, "hvc") || fail(property_method);
    }
    case Kind::finisher:
    case Kind::hart_controller:
    case Kind::unknown:
        break;
    }
    return true;
}

bool TreeReader::read_lines(const Level& level, const Level& parent) {
    if (machine_.gic.present()) {
        return true;
    }
    if (!read_registers(level, parent, distributor_size, machine_.gic)) {
        return false;
    }
    bool there = false;
    if (!entry(parent, 1, machine_.redistributors, there)) {
        return false;
    }
    if (!there || machine_.redistributors.size < redistributor_size) {
        return fail("reg is too small");
    }
    return cell(property_phandle, ~0u, machine_.gic_phandle);
}

bool TreeReader::check() {
    const char* missing = machine_.memory.size() == 0  ? "no memory"
                          : !boot_hart_seen_           ? "the processor that runs is not in it"
                          : !machine_.gic.present()    ? "no interrupt controller (arm,gic-v3)"
                          : machine_.gic_phandle == 0  ? "no phandle of the interrupt controller"
                          : !machine_.serial.present() ? "no serial port (arm,pl011)"
                                                       : nullptr;
    return (missing == nullptr || fail(missing)) && check_devices();
}

bool TreeReader::check_devices() {
    for (AddressRange registers : {machine_.serial.registers, machine_.gic.registers, machine_.redistributors,
                                   machine_.rtc.registers}) {
        if (registers.size != 0 && in_memory(registers)) {
            return fail("device registers in memory");
        }
    }
    const TreeDevice& serial = machine_.serial;
    if (serial.parent != machine_.gic_phandle || serial.line < first_shared_line) {
        return fail("the serial port's interrupt goes nowhere");
    }
    take_transports(machine_.gic_phandle, first_shared_line, lines_end);
    return true;
}

} // namespace rumpk::hal
