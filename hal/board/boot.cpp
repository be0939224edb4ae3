// SPDX-License-Identifier: Apache-2.0
//
// From the first instruction of C++ to rumpk_core_main, as one list.
#include <initializer_list>

#include "abi/hal.h"
#include "abi/image.h"
#include "hal/board/arch.h"
#include "hal/board/cores.h"
#include "hal/board/image.h"
#include "hal/board/machine_facts.h"
#include "hal/board/memory.h"
#include "hal/board/report.h"
#include "hal/board/table.h"
#include "hal/devicetree/machine_tree.h"
#include "hal/devicetree/memory_map.h"

namespace rumpk::hal {

namespace {

constexpr AddressRange between(uint64_t base, uint64_t end) {
    return {base, end - base};
}

constexpr uint64_t page_down(uint64_t address) {
    return address & ~uint64_t{HAL_PAGE_SIZE - 1};
}
constexpr uint64_t page_up(uint64_t address) {
    return page_down(address + HAL_PAGE_SIZE - 1);
}

// "device tree: <parts>".
template <typename... Parts>
[[noreturn]] void refuse_tree(Parts... parts) {
    refuse("device tree: ", parts...);
}

constexpr uint64_t largest_tree = 0x200000;
constexpr uint64_t largest_image = device_window;
// Fixed at link time.
constexpr AddressRange fixed_memory = between(kernel_memory::base, kernel_memory::end);
// The SysTable's page, and behind it the gate's.
constexpr AddressRange systable_pages{RUMPK_SYSTABLE_ADDRESS, 2 * HAL_PAGE_SIZE};

// Of that block of memory, what windows may have.
constexpr AddressRange windows_in(AddressRange memory) {
    const uint64_t end = memory.end() < window_places.end() ? memory.end() : window_places.end();
    return memory.base <= window_places.base && end > window_places.base ? between(window_places.base, end)
                                                                         : AddressRange{};
}

AddressRange kernel_image() {
    return between(image::text_base(), image::end());
}

// The blob's pages, shown read-only until everything has been taken from it.
AddressRange map_tree(uint64_t address) {
    bool reachable = address % 8 == 0 && address >= HAL_PAGE_SIZE && address < device_window - largest_tree;
    if (!reachable) {
        refuse("no device tree: firmware gave an impossible address");
    }
    // The header first, which may cross a page; then as much as it says.
    AddressRange head{page_down(address), 2 * HAL_PAGE_SIZE};
    if (!memory_show(head)) {
        refuse_tree("it lies in the kernel");
    }
    uint64_t size = machine_tree_size(reinterpret_cast<const void*>(address));
    if (size == 0 || size > largest_tree) {
        refuse_tree(size == 0 ? "no device tree there" : "impossible size");
    }
    uint64_t end = page_up(address + size);
    if (end <= head.end()) {
        return head;
    }
    if (!memory_show(between(head.end(), end))) {
        refuse_tree("it lies in the kernel");
    }
    return between(head.base, end);
}

// Into memory of the kernel's own: where the blob lies, in the middle of memory perhaps, is free afterwards.
void keep_bytes(MachineTree& tree) {
    uint64_t length = 0;
    while (tree.arguments[length] != '\0') {
        ++length;
    }
    ++length;
    constexpr uint64_t most = 16 * HAL_PAGE_SIZE;
    if (length + tree.seed_size > most) {
        refuse_tree("boot arguments and seed are longer than ", most >> 10, " KiB");
    }
    auto kept = reinterpret_cast<uint8_t*>(memory_take_page());
    for (uint64_t size = HAL_PAGE_SIZE; size < length + tree.seed_size; size += HAL_PAGE_SIZE) {
        memory_take_page(); // the next one
    }
    uint8_t* seed = kept + length;
    for (uint64_t index = 0; index < length; ++index) {
        kept[index] = static_cast<uint8_t>(tree.arguments[index]);
    }
    for (uint64_t index = 0; index < tree.seed_size; ++index) {
        seed[index] = tree.seed[index];
    }
    tree.arguments = reinterpret_cast<const char*>(kept);
    tree.seed = seed;
}

void read_tree(uint64_t address, uint64_t readable, uint64_t hart) {
    TreeProblem problem =
        read_machine_tree(reinterpret_cast<const void*>(address), readable, hart, machine_tree);
    if (problem) {
        refuse_tree(*problem.node != '\0' ? problem.node : "/", ": ", problem.property, problem.what);
    }
    keep_bytes(machine_tree);
}

// The image's part behind the kernel: as much as its table says, but no more than is there.
AddressRange find_image(const MachineTree& tree, AddressRange blob) {
    auto table = reinterpret_cast<const rumpk_boot_table*>(image::end());
    if (table->magic != RUMPK_BOOT_TABLE_MAGIC || table->size < sizeof(*table)) {
        return {image::end(), 0};
    }
    uint64_t most = largest_image;
    if (fixed_memory.base > image::end() && fixed_memory.base - image::end() < most) {
        most = fixed_memory.base - image::end();
    }
    for (const AddressRange& memory : tree.memory) {
        if (memory.contains(kernel_image()) && memory.end() - image::end() < most) {
            most = memory.end() - image::end();
        }
    }
    if (blob.base > image::end() && blob.base - image::end() < most) {
        most = blob.base - image::end();
    }
    return {image::end(), table->size < most ? table->size : most};
}

// Maps the largest free block; fills in what core/ is told of memory.
void lay_out_memory(const MachineTree& tree, AddressRange blob, hal_boot& boot) {
    MemoryMap memory;
    bool fits = true;
    for (const AddressRange& range : tree.memory) {
        boot.memory_total += range.size;
        // Memory shows at its own addresses, and from the device window on these are taken.
        if (range.base < device_window) {
            uint64_t end = range.end() < device_window ? range.end() : device_window;
            fits = memory.add_memory(between(range.base, end)) && fits;
        }
    }
    if (boot.memory_total < machine_facts.least_memory) {
        refuse("not enough memory: this machine has ", boot.memory_total >> 20, " MiB, and ",
               machine_facts.least_memory >> 20, " MiB are needed");
    }
    if (!memory.holds(kernel_image()) || !memory.holds(fixed_memory)) {
        refuse_tree("the kernel lies in no memory");
    }
    AddressRange image = find_image(tree, blob);
    boot.image = image.size != 0 ? reinterpret_cast<const void*>(image.base) : nullptr;
    boot.image_size = image.size;
    // Its first page is mapped in any case.
    AddressRange image_pages = between(image.base, page_up(image.base + (image.size != 0 ? image.size : 1)));
    if (image_pages.size > HAL_PAGE_SIZE &&
        !memory_map_read_only(between(image_pages.base + HAL_PAGE_SIZE, image_pages.end()))) {
        refuse("the image lies on something else");
    }
    for (const AddressRange& range : tree.reserved) {
        fits = memory.reserve(range) && fits;
    }
    for (const AddressRange& range : {kernel_image(), image_pages, fixed_memory, systable_pages}) {
        fits = memory.reserve(range) && fits;
    }
    if (windows_are_memory) {
        fits = memory.reserve(window_places) && fits;
        bool mapped = false;
        for (const AddressRange& range : tree.memory) {
            mapped = mapped || memory_map_windows(windows_in(range));
        }
        if (!mapped) {
            refuse_tree("no memory where cells' windows are");
        }
    }
    if (!fits) {
        refuse_tree("too many pieces of memory");
    }
    // What core/ is not given stays unmapped.
    AddressRange largest = memory.largest_free();
    if (largest.size < 2 * HAL_PAGE_SIZE || !memory_map_data(largest)) {
        refuse_tree("memory lies where it cannot be");
    }
    // The SysTable's frame is the one at its address, where memory reaches that far.
    uint64_t systable = RUMPK_SYSTABLE_ADDRESS;
    if (!memory.holds(systable_pages)) {
        largest.size -= HAL_PAGE_SIZE;
        systable = largest.end();
    }
    if (!memory_map_systable(systable)) {
        refuse_tree("memory lies where the SysTable has to be");
    }
    boot.systable_physical = systable;
    boot.memory_base = largest.base;
    boot.memory_size = largest.size;
    boot.direct_map = 0;
}

} // namespace

constinit hal_boot boot_facts = {};
constinit MachineTree machine_tree;

} // namespace rumpk::hal

extern "C" [[noreturn]] void hal_boot_main(uint64_t core, uint64_t tree_address) {
    using namespace rumpk::hal;

    // 1. A stack for faults first, so that whatever goes wrong can be said.
    cores_begin();
    trap_catch_faults();

    // 2. The kernel's own map, W^X from the start, and the MMU on: before anything is
    //    called that may use unaligned accesses.
    if (const char* problem = memory_begin()) {
        refuse(problem);
    }

    // 3. What the machine is.
    AddressRange blob = map_tree(tree_address);
    read_tree(tree_address, blob.end() - tree_address, core);
    const MachineTree& tree = machine_tree;
    memory_hide(blob);

    // 4. Who runs here.
    cores_name(tree);

    // 5. Memory: what is free is mapped, what is not is not.
    lay_out_memory(tree, blob, boot_facts);

    // 6. Devices: console, interrupt controller, clock chip, the machine's switch.
    if (const char* problem = devices_begin(tree)) {
        refuse_tree(problem);
    }
    device_lines_begin();

    // 7. Time.
    boot_facts.timer = timer_begin(tree);

    // 8. What core/ is told.
    boot_facts.machine = machine_facts.name;
    boot_facts.arch = RUMPK_ARCH;
    boot_facts.cores = cores_count();
    boot_facts.boot_core = core_index();
    boot_facts.elf_machine = arch_facts.elf_machine;
    boot_facts.interrupt_stack_size = trap_stack_size;
    boot_facts.features = memory_features;
    boot_facts.systable_address = RUMPK_SYSTABLE_ADDRESS;
    boot_facts.arguments = tree.arguments;
    boot_facts.seed = tree.seed;
    boot_facts.seed_size = tree.seed_size;
    uint64_t wall = wall_clock();
    boot_facts.wall_offset = wall != 0 ? static_cast<int64_t>(wall - now()) : 0;
    boot_facts.console_line = tree.serial.line;
    boot_facts.console_channels = 0;
    boot_facts.kernel_text_base = image::text_base();
    boot_facts.kernel_text_end = image::text_end();
    boot_facts.frame_previous = arch_facts.frame_previous;
    boot_facts.frame_return = arch_facts.frame_return;
    boot_facts.table_span = table_span;
    boot_facts.virtio = tree.transports.begin();
    boot_facts.virtio_count = static_cast<uint32_t>(tree.transports.size());

    // 9. Logic takes over.
    rumpk_core_main(&hal_table);
}
