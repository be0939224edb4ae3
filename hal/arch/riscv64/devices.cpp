// SPDX-License-Identifier: Apache-2.0
#include "hal/arch/riscv64/devices.h"

#include "hal/arch/riscv64/csr.h"
#include "hal/arch/riscv64/mmio.h"
#include "hal/arch/riscv64/platform.h"
#include "hal/board/arch.h"
#include "hal/board/machine_facts.h"
#include "hal/board/memory.h"
#include "hal/device/goldfish_rtc.h"
#include "hal/device/ns16550.h"
#include "hal/device/plic.h"
#include "hal/device/sifive_test.h"

namespace rumpk::hal {

namespace {

constinit Ns16550<Mmio> serial; // platform.h prints as long as it is not present
constinit Plic<Mmio> plic;
constinit uint64_t rtc = 0;      // address of its registers; 0: none
constinit uint64_t finisher = 0; // likewise
constinit bool tree_was_read = false;

bool map_registers(const TreeDevice& device, uint64_t& address) {
    if (!device.present()) {
        return true;
    }
    address = memory_map_device(device.registers);
    return address != 0;
}

} // namespace

extern const char* const serial_compatible = "ns16550a";

const char* devices_begin(const MachineTree& tree) {
    uint64_t serial_registers = 0;
    uint64_t plic_registers = 0;
    bool mapped = map_registers(tree.finisher, finisher) && map_registers(tree.serial, serial_registers) &&
                  map_registers(tree.plic, plic_registers) && map_registers(tree.rtc, rtc) &&
                  platform::bells_begin(tree);
    if (!mapped) {
        return "devices do not fit into the address space";
    }
    // Before anything is printed through it: what is no port would be waited for for ever.
    Ns16550<Mmio> port(serial_registers);
    if (!port.begin()) {
        return "the serial port does not answer";
    }
    serial = port;
    plic = Plic<Mmio>(plic_registers, tree.plic_lines);
    for (uint32_t index = 0; index < tree.harts.size(); ++index) {
        cores[index].lines = tree.harts[index].context;
    }
    tree_was_read = true;
    return nullptr;
}

void devices_distrust() {
    serial = Ns16550<Mmio>();
    tree_was_read = false;
}

namespace {

uint32_t plic_context() {
    return static_cast<uint32_t>(this_core().lines);
}

} // namespace

void device_lines_begin() {
    plic.begin(plic_context());
}

uint64_t wall_clock() {
    return rtc != 0 ? goldfish_rtc_now<Mmio>(rtc) : 0;
}

uint32_t device_claim() {
    return plic.claim(plic_context());
}

uint32_t register_read(uint64_t address) {
    return Mmio::read32(address);
}

int device_enable(uint32_t line) {
    return plic.enable(plic_context(), line) ? 0 : -RUMPK_EINVAL;
}

void device_done(uint32_t line) {
    plic.complete(plic_context(), line);
}

int64_t console_read(uint8_t* buffer, uint64_t size) {
    return static_cast<int64_t>(serial.read(buffer, size));
}

int64_t console_write(uint32_t, const uint8_t* buffer, uint64_t size) {
    return static_cast<int64_t>(serial.write(buffer, size));
}

void console_put(uint32_t, const uint8_t* buffer, uint64_t size) {
    if (serial.present()) {
        serial.put(buffer, size);
        return;
    }
    for (uint64_t index = 0; index < size; ++index) {
        platform::early_put(buffer[index]);
    }
}

void console_flush() {
    if (serial.present()) {
        serial.flush();
    }
}

void power_off(uint32_t code) {
    clear_status(status_ie);
    console_flush();
    // Before the tree was read the machine's own fact counts, so that the code
    // gets through even when the tree is what is wrong.
    uint64_t registers = tree_was_read ? finisher : memory_early_device(machine_facts.early_device);
    if (registers != 0) {
        sifive_test_finish<Mmio>(registers, code);
    }
    platform::off(code != 0);
    stop();
}

// The finisher is every machine's of this kind.
void end_early(uint32_t code) {
    power_off(code);
}

void firmware_off() {
    platform::off(true);
}

void stop() {
    write_ie(0);
    for (;;) {
        asm volatile("wfi");
    }
}

} // namespace rumpk::hal
