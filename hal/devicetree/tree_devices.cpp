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

// `compatible` is a list of strings, each with its NUL (2.3.1).
Kind TreeReader::kind() const {
    const Property& list = properties_[property_compatible];
    if (!list || list.length == 0 || list.data[list.length - 1] != '\0') {
        return Kind::unknown;
    }
    auto text = reinterpret_cast<const char*>(list.data);
    for (auto end = text + list.length; text < end; ++text) {
        uint32_t index = find_text(kind_names, kind_name_count, text);
        if (index < kind_name_count && *text != '\0') {
            return static_cast<Kind>(index % first_second_name);
        }
        while (*text != '\0') {
            ++text;
        }
    }
    return Kind::unknown;
}

bool TreeReader::read_registers(const Level& level, const Level& parent, uint64_t least, TreeDevice& device) {
    if (device.present()) {
        return true; // the first one of its kind counts
    }
    bool there = false;
    AddressRange range;
    if (!entry(parent, 0, range, there)) {
        return false;
    }
    if (!there || range.size < least) {
        return fail("reg is too small");
    }
    device.registers = range;
    device.parent = level.interrupt_parent;
    if (const Property& property = properties_[property_interrupts]) {
        if (property.length < 4 || property.length % 4 != 0) {
            return fail("interrupts has a bad length");
        }
        device.line = property.u32(0);
    }
    return true;
}

bool TreeReader::read_device(const Level& level, const Level& parent) {
    switch (kind()) {
    case Kind::serial:
        return read_registers(level, parent, 8, machine_.serial);
    case Kind::plic:
        return read_plic(level, parent);
    case Kind::rtc:
        return read_registers(level, parent, 8, machine_.rtc);
    case Kind::finisher:
        return read_registers(level, parent, 4, machine_.finisher);
    case Kind::virtio: {
        TreeDevice slot;
        if (!read_registers(level, parent, 0x100, slot)) {
            return false;
        }
        machine_.virtio.add(slot); // slots past the list's end stay unused
        return true;
    }
    case Kind::hart_controller:
    case Kind::unknown:
        break;
    }
    return true;
}

bool TreeReader::read_plic(const Level& level, const Level& parent) {
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

bool TreeReader::check() {
    const char* missing = machine_.memory.size() == 0  ? "no memory"
                          : !boot_hart_seen_           ? "the hart that runs is not in it"
                          : machine_.timebase == 0     ? "no timebase-frequency"
                          : !machine_.plic.present()   ? "no interrupt controller (sifive,plic-1.0.0)"
                          : machine_.plic_lines == 0   ? "no interrupt lines"
                          : machine_.plic_phandle == 0 ? "no phandle of the interrupt controller"
                          : !machine_.serial.present() ? "no serial port (ns16550a)"
                                                       : nullptr;
    return missing == nullptr || fail(missing);
}

// interrupts-extended: pairs of a hart's local controller and a cause. A pair's
// number is the context's; cause 9 is the supervisor external interrupt.
bool TreeReader::resolve_contexts() {
    constexpr uint32_t supervisor_external = 9;
    constexpr uint64_t first_context = 0x200000;
    constexpr uint64_t context_size = 0x1000;
    for (uint32_t context = 0; context < contexts_.length / 8; ++context) {
        uint32_t controller = contexts_.u32(8 * context);
        uint32_t cause = contexts_.u32(8 * context + 4);
        for (TreeHart& hart : machine_.harts) {
            if (cause == supervisor_external && controller != 0 && hart.controller == controller) {
                hart.context = context;
            }
        }
    }
    uint64_t contexts = (machine_.plic.registers.size - first_context) / context_size;
    for (const TreeHart& hart : machine_.harts) {
        if (hart.context >= contexts) {
            return fail("a hart has no place at the interrupt controller");
        }
    }
    return true;
}

bool TreeReader::in_memory(AddressRange range) const {
    for (const AddressRange& memory : machine_.memory) {
        if (memory.overlaps(range)) {
            return true;
        }
    }
    return false;
}

bool TreeReader::check_devices() {
    for (const TreeDevice* device : {&machine_.serial, &machine_.plic, &machine_.rtc, &machine_.finisher}) {
        if (device->present() && in_memory(device->registers)) {
            return fail("device registers in memory");
        }
    }
    auto routed = [this](const TreeDevice& device) {
        return device.parent == machine_.plic_phandle && device.line >= 1 &&
               device.line <= machine_.plic_lines;
    };
    if (!routed(machine_.serial)) {
        return fail("the serial port's interrupt goes nowhere");
    }
    for (const TreeDevice& slot : machine_.virtio) {
        if (routed(slot) && !in_memory(slot.registers)) {
            machine_.transports.add({slot.registers.base, slot.registers.size, slot.line, 0});
        }
    }
    return true;
}

} // namespace rumpk::hal
