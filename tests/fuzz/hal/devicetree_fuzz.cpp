// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a device tree. Nothing outside them is read, and a tree that is
// accepted must hold what boot relies on: here what it does on every machine, in
// riscv_fuzz.cpp and arm_fuzz.cpp what an architecture adds.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "tests/fuzz/hal/devicetree_fuzz.h"

using namespace rumpk::hal;

namespace {

void require_apart(const MachineTree& machine, AddressRange registers) {
    require(registers.end() >= registers.base);
    for (const AddressRange& memory : machine.memory) {
        require(registers.size == 0 || !memory.overlaps(registers));
    }
}

void check(const MachineTree& machine, const char* blob, size_t size) {
    require(machine.memory.size() != 0);
    for (const AddressRange& one : machine.memory) {
        require(one.size != 0 && one.base % HAL_PAGE_SIZE == 0 && one.size % HAL_PAGE_SIZE == 0);
        require(one.end() > one.base);
        for (const AddressRange& other : machine.memory) {
            require(&one == &other || !one.overlaps(other));
        }
    }
    require(machine.boot_hart < machine.harts.size() && machine.harts[machine.boot_hart].id == 0);
    require(machine.serial.present());
    if (*machine.arguments != '\0') {
        require(machine.arguments >= blob &&
                machine.arguments + std::strlen(machine.arguments) < blob + size);
    }
    if (machine.seed_size != 0) {
        auto seed = reinterpret_cast<const char*>(machine.seed);
        require(seed >= blob && seed + machine.seed_size <= blob + size);
    }
    for (const TreeDevice* device :
         {&machine.serial, &machine.plic, &machine.gic, &machine.rtc, &machine.finisher}) {
        require_apart(machine, device->registers);
    }
    check_machine(machine);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    // Of its exact size, so that the sanitizer sees a step outside; aligned as a tree is.
    std::unique_ptr<char, decltype(&std::free)> copy(static_cast<char*>(std::malloc(size + 1)), std::free);
    std::memcpy(copy.get(), data, size);
    MachineTree machine;
    if (!read_machine_tree(copy.get(), size, 0, machine)) {
        check(machine, copy.get(), size);
    }
    return 0;
}
