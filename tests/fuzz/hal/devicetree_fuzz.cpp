// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a device tree. The tokens must be libfdt's wherever both accept
// the header, and a tree that is accepted must hold what boot relies on.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include <libfdt.h>

#include "hal/devicetree/flat_tree.h"
#include "hal/devicetree/machine_tree.h"

using namespace rumpk::hal;

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

// What is said of a token is what libfdt says of it; true if there is a next one.
bool same_token(const FlatTree& tree, TreeToken token, const void* fdt, uint32_t tag, int offset) {
    switch (token) {
    case TreeToken::node:
        require(tag == FDT_BEGIN_NODE);
        require(std::string_view(tree.name()) ==
                static_cast<const char*>(fdt_get_name(fdt, offset, nullptr)));
        return true;
    case TreeToken::property: {
        require(tag == FDT_PROP);
        const char* name = nullptr;
        int length = 0;
        const void* data = fdt_getprop_by_offset(fdt, offset, &name, &length);
        require(data == tree.data() && static_cast<uint32_t>(length) == tree.length());
        require(std::string_view(tree.name()) == name);
        return true;
    }
    case TreeToken::node_end:
        require(tag == FDT_END_NODE);
        return true;
    case TreeToken::end:
        require(tag == FDT_END);
        return false;
    case TreeToken::broken:
        return false; // ours is the stricter one
    }
    return false;
}

void compare_with_libfdt(const void* blob, uint64_t size) {
    FlatTree tree;
    if (tree.open(blob, size) != nullptr || fdt_check_header(blob) != 0) {
        return;
    }
    int next = 0;
    for (bool more = true; more;) {
        TreeToken token = tree.next();
        int offset = 0;
        uint32_t tag = FDT_NOP;
        while (tag == FDT_NOP) {
            offset = next;
            tag = fdt_next_tag(blob, offset, &next);
        }
        more = same_token(tree, token, blob, tag, offset);
    }
}

void check_devices(const MachineTree& machine) {
    for (const TreeDevice* device : {&machine.serial, &machine.plic, &machine.rtc, &machine.finisher}) {
        require(device->registers.end() >= device->registers.base);
        for (const AddressRange& memory : machine.memory) {
            require(!device->present() || !memory.overlaps(device->registers));
        }
    }
    require(machine.serial.present() && machine.plic.present());
    require(machine.serial.line >= 1 && machine.serial.line <= machine.plic_lines &&
            machine.plic_lines <= 1023);
    for (const TreeDevice& slot : machine.virtio) {
        require(slot.line >= 1 && slot.line <= machine.plic_lines && slot.registers.size >= 0x100);
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
    for (const TreeHart& hart : machine.harts) {
        require(0x200000 + 0x1000 * (uint64_t{hart.context} + 1) <= machine.plic.registers.size);
    }
    require(machine.timebase >= 1000 && machine.timebase <= 1000000000);
    if (*machine.arguments != '\0') {
        require(machine.arguments >= blob &&
                machine.arguments + std::strlen(machine.arguments) < blob + size);
    }
    if (machine.seed_size != 0) {
        auto seed = reinterpret_cast<const char*>(machine.seed);
        require(seed >= blob && seed + machine.seed_size <= blob + size);
    }
    check_devices(machine);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    // Of its exact size, so that the sanitizer sees a step outside; aligned as a tree is.
    std::unique_ptr<char, decltype(&std::free)> copy(static_cast<char*>(std::malloc(size + 1)), std::free);
    std::memcpy(copy.get(), data, size);
    compare_with_libfdt(copy.get(), size);
    MachineTree machine;
    if (!read_machine_tree(copy.get(), size, 0, machine)) {
        check(machine, copy.get(), size);
    }
    return 0;
}
