// SPDX-License-Identifier: Apache-2.0
#include <initializer_list>

#include "hal/devicetree/tree_reader.h"

namespace rumpk::hal {

namespace {

// By Kind; some have two names.
constexpr const char* kind_names = "ns16550a\0"
                                   "sifive,plic-1.0.0\0"
                                   "google,goldfish-rtc\0"
                                   "sifive,test0\0"
                                   "virtio,mmio\0"
                                   "riscv,cpu-intc\0"
                                   "\0"
                                   "riscv,plic0\0"
                                   "\0"
                                   "sifive,test1";
constexpr uint32_t kind_name_count = 10;
constexpr uint32_t first_second_name = 6; // of Kind 0: there is none

} // namespace

Kind TreeReader::kind() const {
    uint32_t index = compatible(kind_names, kind_name_count);
    return index < kind_name_count ? static_cast<Kind>(index % first_second_name) : Kind::unknown;
}

// "rv64imac_zicsr_sstc": names of more than one letter, each behind an underscore.
bool TreeReader::read_cpu_features() {
    const char* isa = "";
    if (!string(property_isa, isa)) {
        return false;
    }
    bool sstc = false;
    for (; *isa != '\0' && !sstc; ++isa) {
        sstc = begins_with(isa, "_sstc") && (isa[5] == '\0' || isa[5] == '_');
    }
    machine_.sstc = sstc && (machine_.sstc || machine_.harts.size() == 1);
    return true;
}

bool TreeReader::read_cpu_part(TreeHart& hart) {
    return kind() != Kind::hart_controller || cell(property_phandle, ~0u, hart.controller);
}

bool TreeReader::read_line(const Property& interrupts, uint32_t& line) {
    line = interrupts.u32(0);
    return true;
}

bool TreeReader::read_device(const Level& level, const Level& parent) {
    switch (kind()) {
    case Kind::serial:
        return read_registers(level, parent, 8, machine_.serial);
    case Kind::lines:
        return read_lines(level, parent);
    case Kind::rtc:
        return read_registers(level, parent, 8, machine_.rtc);
    case Kind::finisher:
        return read_registers(level, parent, 4, machine_.finisher);
    case Kind::virtio:
        return read_transport(level, parent);
    case Kind::hart_controller:
    case Kind::firmware:
        break;
    case Kind::unknown:
        return tree_bell_cause == 0 || compatible("riscv,aclint-sswi", 1) != 0 || read_bells(level, parent);
    }
    return true;
}

bool TreeReader::read_lines(const Level& level, const Level& parent) {
    if (machine_.plic.present()) {
        return true;
    }
    // Up to the first context's registers (PLIC specification 1.0.0, chapter 3).
    if (!read_registers(level, parent, 0x201000, machine_.plic)) {
        return false;
    }
    if (!cell(property_phandle, ~0u, machine_.plic_phandle)) {
        return false;
    }
    if (!cell(property_plic_lines, 1023, machine_.plic_lines)) {
        return false;
    }
    contexts_ = properties_[property_extended];
    return contexts_.length % 8 == 0 || fail("interrupts-extended has a bad length");
}

bool TreeReader::read_bells(const Level& level, const Level& parent) {
    TreeDevice& bells = machine_.bells;
    if (bells.present()) {
        return true;
    }
    if (!read_registers(level, parent, 4, bells)) {
        return false;
    }
    bells_ = properties_[property_extended];
    return (bells.registers.base % 4 == 0 || fail(property_reg)) &&
           (bells_.length % 8 == 0 || fail("interrupts-extended has a bad length"));
}

bool TreeReader::check() {
    const char* missing = machine_.memory.size() == 0  ? "no memory"
                          : !boot_hart_seen_           ? "the hart that runs is not in it"
                          : machine_.timebase == 0     ? "no timebase-frequency"
                          : !machine_.plic.present()   ? "no interrupt controller (sifive,plic-1.0.0)"
                          : machine_.plic_lines == 0   ? "no interrupt lines"
                          : machine_.plic_phandle == 0 ? "no phandle of the interrupt controller"
                          : !machine_.serial.present() ? "no serial port (ns16550a)"
                                                       : nullptr;
    return (missing == nullptr || fail(missing)) && resolve_contexts() && check_devices() &&
           (tree_bell_cause == 0 || resolve_bells());
}

// interrupts-extended: pairs of a hart's local controller and a cause. A pair's
// number is the context's.
bool TreeReader::resolve_contexts() {
    constexpr uint64_t first_context = 0x200000;
    constexpr uint64_t context_size = 0x1000;
    for (uint32_t context = 0; context < contexts_.length / 8; ++context) {
        uint32_t controller = contexts_.u32(8 * context);
        uint32_t cause = contexts_.u32(8 * context + 4);
        for (TreeHart& hart : machine_.harts) {
            if (cause == tree_external_cause && controller != 0 && hart.controller == controller) {
                hart.context = context;
            }
        }
    }
    uint64_t contexts = (machine_.plic.registers.size - first_context) / context_size;
    for (const TreeHart& hart : machine_.harts) {
        if (hart.context >= contexts) {
            return fail("a hart has no place at the PLIC");
        }
    }
    return true;
}

// ACLINT specification 1.0, chapter 4: likewise, of words. A hart that has none is rung by firmware. Each has
// a controller, or it would have no context.
bool TreeReader::resolve_bells() {
    const AddressRange& registers = machine_.bells.registers;
    for (uint32_t word = 0; word < bells_.length / 8 && word < registers.size / 4; ++word) {
        for (uint32_t hart = 0; hart < machine_.harts.size(); ++hart) {
            if (bells_.u32(8 * word) == machine_.harts[hart].controller &&
                bells_.u32(8 * word + 4) == tree_bell_cause) {
                machine_.bell_of[hart] = word + 1;
            }
        }
    }
    return !in_memory(registers) || fail("device registers in memory");
}

bool TreeReader::check_devices() {
    for (const TreeDevice* device : {&machine_.serial, &machine_.plic, &machine_.rtc, &machine_.finisher}) {
        if (device->present() && in_memory(device->registers)) {
            return fail("device registers in memory");
        }
    }
    const TreeDevice& serial = machine_.serial;
    if (serial.parent != machine_.plic_phandle || serial.line < 1 || serial.line > machine_.plic_lines) {
        return fail("the serial port's interrupt goes nowhere");
    }
    take_transports(machine_.plic_phandle, 1, machine_.plic_lines + 1);
    return true;
}

} // namespace rumpk::hal
