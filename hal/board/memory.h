// SPDX-License-Identifier: Apache-2.0
//
// The one address space: kernel, memory and devices. See abi/hal.h for map,
// protect and unmap.
//
//   0                        nothing, for null pointers
//   0x0000_1000 ..           what core/ maps: windows, drivers' regions
//   memory_floor ..          memory as it is (virtual = physical): kernel text R-X, rodata and
//                            image R--, all else RW-; reserved memory and guards are not mapped
//   RUMPK_SYSTABLE_ADDRESS   the table's frame, RW- until core/ seals it
//   behind it, one page      the gate, R-X at user privilege (abi/hal.h); not mapped without one
//   0x1_0000_0000 ..         device registers, RW-
//
// Where no address is translated (memory_flat.cpp): everything where it is, windows in memory, and what a
// program at user privilege may touch is all that is kept.
#pragma once

#include <cstdint>

#include "hal/board/page_tables.h"
#include "hal/devicetree/memory_map.h"
#include "hal/devicetree/range.h"

namespace rumpk::hal {

constexpr uint64_t device_window = 0x100000000;
constexpr uint64_t gate_address = RUMPK_SYSTABLE_ADDRESS + HAL_PAGE_SIZE;

// The parts of the kernel's own memory, whose place is fixed before anything is known: a megabyte
// whose end the machine says (machine.cmake, and __hal_memory in its kernel.ld).
namespace kernel_memory {
constexpr uint64_t end = RUMPK_HAL_MEMORY_END;
constexpr uint64_t base = end - 0x100000;
constexpr uint64_t boot_stack_size = 0x8000;
constexpr uint64_t boot_stack_base = end - boot_stack_size;
// Each stack with an unmapped page below: overflowing one is a fault, not a mystery.
constexpr uint64_t guard = HAL_PAGE_SIZE;
constexpr uint64_t emergency_size = 2 * HAL_PAGE_SIZE;
constexpr uint64_t emergency_top(uint32_t place) {
    return boot_stack_base - guard - place * (emergency_size + guard);
}
// Below all of them: pages for tables.
constexpr uint64_t pool_end = emergency_top(HAL_MAX_CORES);
} // namespace kernel_memory

// What holds rights: RUMPK_FEATURE_MMU, memory.cpp, or RUMPK_FEATURE_PMP, memory_flat.cpp.
extern const uint64_t memory_features;
// There windows are memory of the machine, which nobody else gets.
constexpr bool windows_are_memory = RUMPK_WINDOWS_ARE_MEMORY != 0;
constexpr AddressRange window_places{RUMPK_WINDOW_A, RUMPK_WINDOW_COUNT* RUMPK_WINDOW_SIZE};

// Builds the kernel's map and turns the MMU on. [boot] nullptr, or what is wrong.
const char* memory_begin();

// A page of the kernel's own memory, as it is; 0: none left. [boot]
uint64_t memory_take_page();
// Maps more of the machine's memory where it is. [boot] False: it is in somebody's way, or no page is left.
[[nodiscard]] bool memory_map_data(AddressRange pages);
[[nodiscard]] bool memory_map_read_only(AddressRange pages);
// The same as read-only, until memory_hide. [boot]
[[nodiscard]] bool memory_show(AddressRange pages);
void memory_hide(AddressRange pages);
// Shows that frame, zeroed, at the SysTable's address. [boot] False: no page is left.
[[nodiscard]] bool memory_map_systable(uint64_t frame);
// Only where windows are memory: as much of it as there is for them. [boot] False: not one window's.
[[nodiscard]] bool memory_map_windows(AddressRange memory);
// A frame for the gate; 0: no page is left. [boot]
uint64_t memory_take_gate();
// Shows that frame as the gate. [boot] False: no page is left.
[[nodiscard]] bool memory_map_gate(uint64_t frame);
// Makes registers reachable; returns their virtual address, 0 if no page is left. [boot]
uint64_t memory_map_device(AddressRange registers);
// The same, for the end of a boot that has failed: address 0 gives 0. MMU on or off.
uint64_t memory_early_device(uint64_t physical);
// Can windows have views of their own? As views.cpp or one_view.cpp says, whichever a kernel is linked with:
// the link leaves out what is not needed.
extern const bool has_views;
// Begins a map for what programs see of that window: the kernel's, and nothing in windows. What is mapped
// there later is in this one alone. Its root; 0: no page is left. [boot]
uint64_t memory_make_view(uint32_t window);
// As map, of pages in another's window. [boot]
int memory_show_in_view(uint32_t window, uint64_t address, uint64_t physical, uint64_t size, uint32_t rights);
// As hide of hal_views.
int64_t memory_hide_in_view(uint32_t window, uint64_t address, uint64_t size);
// A walk of the map with that root found nothing at the address: may another one find something? [any]
bool memory_may_be_mapped(uint64_t root, uint64_t address);

// What a lowest table maps: as hal_boot says.
constexpr uint64_t table_span = windows_are_memory ? RUMPK_WINDOW_SIZE : PageTables::page_size(1);

int map(uint64_t address, uint64_t physical, uint64_t size, uint32_t rights);
int protect(uint64_t address, uint64_t size, uint32_t rights);
int unmap(uint64_t address, uint64_t size);

} // namespace rumpk::hal
