// SPDX-License-Identifier: Apache-2.0
#include "core/devices.h"

#include <algorithm>
#include <span>

#include "core/log.h"
#include "core/memory.h"
#include "core/scheduler.h"

namespace rumpk {

namespace {

constexpr uint64_t page = HAL_PAGE_SIZE;
// One message at a time: there is no second interrupt before the first is dealt with.
constexpr ion::Geometry interrupt_geometry = ion::Geometry::of(1, 32);
constexpr uint32_t most_at_once = 4; // messages of entropy: a bell is heard masked

std::span<Device> devices;

// The pages that hold registers.
AddressRange pages_of(uint64_t physical, uint64_t size) {
    const uint64_t first = align_down(physical, page);
    return {VirtAddr{first}, align_up(physical + size, page) - first};
}

// Registers are granted by the page: with one that another cell has, each would drive the other's device.
void refuse_shared_page(const Device& device, AddressRange pages) {
    for (const Device& other : devices) {
        const AddressRange its = pages_of(other.physical, other.facts.registers_size);
        if (other.cell != nullptr && other.cell != device.cell && its.base < pages.end() &&
            pages.base < its.end()) {
            stop_boot(
                "cells %.*s and %.*s: their devices' registers share a page, which one cell alone can have",
                RUMPK_TEXT(other.cell->name()), RUMPK_TEXT(device.cell->name()));
        }
    }
}

// Where nothing is translated they are where they are, in no window.
void show_registers(const Cell& cell, VirtAddr place, AddressRange registers) {
    if (machine().views->show(cell.id().value(), place.value(), registers.base.value(), registers.size,
                              mapped_with(right_read | right_write)) < 0) {
        stop_boot("cell %.*s: its device cannot be mapped", RUMPK_TEXT(cell.name()));
    }
}

// NUL-terminated, says the table's reader.
std::string_view text_of(std::span<const uint8_t, 16> name) {
    const auto* const text = reinterpret_cast<const char*>(name.data());
    return {text, __builtin_strlen(text)};
}

std::string_view name_of(const rumpk_boot_device& described) {
    return text_of(described.name);
}

void make_device(Device& device, const rumpk_boot_device& wanted, const hal_device& found) {
    Cell& cell = cells()[wanted.cell];
    const std::string_view name = name_of(wanted);
    device.channel = &make_device_channel(name, cell, interrupt_geometry);
    device.facts.size = sizeof device.facts;
    device.facts.virtio = wanted.virtio;
    std::ranges::copy(name, reinterpret_cast<char*>(device.facts.name));
    if (wanted.memory != 0) {
        const MappedRoom room = take_mapped_room(cell, wanted.memory);
        device.facts.memory = room.place.value();
        device.facts.memory_size = wanted.memory;
        device.facts.physical = room.memory.value();
    }
    const AddressRange registers = pages_of(found.registers, found.size);
    const VirtAddr place = windows_are_memory ? registers.base : take_channel_room(cell, registers.size);
    show_registers(cell, place, registers);
    device.facts.registers = place.value() + found.registers % page;
    device.facts.registers_size = found.size;
    device.physical = found.registers;
    device.line = found.line;
    device.cell = &cell;
    refuse_shared_page(device, registers);
    if (machine().device_enable(device.line) < 0) {
        stop_boot("cell %.*s: its device's interrupt cannot be enabled", RUMPK_TEXT(cell.name()));
    }
}

// A ring that its driver has broken gets no message; the line stays quiet until the driver begins anew.
void tell(Device& device) {
    if (!device.channel->sends) {
        return;
    }
    const rumpk_interrupt message{device.interrupts};
    if (device.channel->sends->push(0, std::as_bytes(std::span(&message, 1)))) {
        ring_cell_of(*device.channel);
    }
}

Device* device_of(const Channel& channel) {
    const auto found = std::ranges::find(devices, &channel, &Device::channel);
    return found == devices.end() ? nullptr : &*found;
}

// A channel of the cell's with the kernel, renewed.
void renewed(Channel& channel) {
    Device* const device = device_of(channel);
    if (device != nullptr && device->quiet) {
        tell(*device);
    }
}

} // namespace

namespace {

// A transport is asked once; what stands behind it goes to the first entry that wants one and has none.
// Entries for which there is a legacy one only.
uint64_t find_transports(std::span<const rumpk_boot_device> described) {
    const hal_boot& boot = *machine().boot;
    uint64_t legacy = 0;
    for (uint32_t i = 0; parts::cells && !described.empty() && i < boot.virtio_count; ++i) {
        const hal_virtio& slot = boot.virtio[i];
        uint32_t version = 0;
        const uint32_t kind = machine().views->virtio_device(i, &version);
        size_t at = kind != 0 ? 0 : described.size();
        while (at < described.size() && (described[at].virtio != kind || devices[at].cell != nullptr)) {
            ++at;
        }
        if (at < described.size() && version == 1) {
            legacy |= uint64_t{1} << at;
        } else if (at < described.size()) {
            make_device(devices[at], described[at], {nullptr, slot.registers, slot.size, slot.line, 0});
        }
    }
    return legacy;
}

void find_others(std::span<const rumpk_boot_device> described) {
    hal_device found{};
    for (uint32_t i = 0; parts::cells && machine().views->device(i, &found) == 0; ++i) {
        size_t at = 0;
        while (at < described.size() &&
               (text_of(described[at].compatible) != found.compatible || devices[at].cell != nullptr)) {
            ++at;
        }
        if (at < described.size()) {
            make_device(devices[at], described[at], found);
        }
    }
}

} // namespace

void start_devices(const BootTable& table) {
    const std::span<const rumpk_boot_device> described = table.devices();
    devices = boot_memory().take_objects<Device>(described.size(), "devices");
    const uint64_t legacy = find_transports(described);
    find_others(described);
    for (size_t i = 0; i < described.size(); ++i) {
        if (devices[i].cell != nullptr) {
            continue;
        }
        KernelLine line;
        line.format("cell %.*s: no device %.*s: the machine has ",
                    RUMPK_TEXT(cells()[described[i].cell].name()), RUMPK_TEXT(name_of(described[i])));
        if (described[i].virtio != 0) {
            line.format("%s of virtio's kind %lu", (legacy >> i & 1) != 0 ? "only a legacy one" : "none",
                        uint64_t{described[i].virtio});
        } else {
            line.format("no %.*s", RUMPK_TEXT(text_of(described[i].compatible)));
        }
        print(line);
    }
}

const Device* device_at(const Cell& cell, uint32_t slot) {
    const bool is_one = cell.capabilities[slot].kind == RUMPK_CAP_DEVICE;
    return is_one ? device_of(*channel_at(cell, slot)) : nullptr;
}

std::array<AddressRange, 2> shown_of(const Device& device) {
    return {pages_of(device.facts.registers, device.facts.registers_size),
            AddressRange{VirtAddr{device.facts.memory}, device.facts.memory_size}};
}

bool is_consoles(const Device& device) {
    return device.line == machine().boot->console_line;
}

bool hear_device(uint32_t line) {
    for (Device& device : devices) {
        if (device.cell != nullptr && device.line == line) {
            device.quiet = true;
            ++device.interrupts;
            tell(device);
            return true;
        }
    }
    return false;
}

// There is room for the next message once the last one is released, and not before.
void device_released(Channel& channel) {
    Device* const device = device_of(channel);
    if (device != nullptr && device->quiet && channel.sends->claim()) {
        device->quiet = false;
        machine().device_done(device->line);
    }
}

void take_entropy(Channel& channel) {
    ion::Consumer& end = *channel.receives;
    for (uint32_t i = 0; i < most_at_once; ++i) {
        const auto message = end.peek();
        if (!message) {
            break;
        }
        std::array<std::byte, RUMPK_ENTROPY_SIZE> bytes{};
        if (message->payload.size() != bytes.size()) {
            end.close(ion::Close::broken);
            break;
        }
        std::ranges::copy(message->payload, bytes.begin());
        this_scheduler().random().mix(bytes);
        (void)end.release(); // peeked: cannot fail
    }
    if (end.peer_waiting()) {
        ring_cell_of(channel);
    }
}

void renew_devices_of(const Cell& cell) {
    for (const Device& device : devices) {
        for (uint64_t at = 0; device.cell == &cell && at < device.facts.memory_size; at += page) {
            __builtin_memset(boot_memory().touch(PhysAddr{device.facts.physical} + at), 0, page);
            const InterruptsMasked masked;
            this_scheduler().yield();
        }
    }
    renew_kernel_channels_of(cell, renewed);
}

} // namespace rumpk
