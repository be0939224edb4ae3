// SPDX-License-Identifier: Apache-2.0
#include "hal/board/memory.h"

#include "hal/board/arch.h"
#include "hal/board/image.h"
#include "hal/board/machine_facts.h"
#include "hal/board/table.h"

namespace rumpk::hal {

namespace {

constexpr uint32_t read_write = HAL_MAP_READ | HAL_MAP_WRITE;
constexpr uint64_t megapage = 0x200000;

constinit PagePool pool;
constinit PageTables tables;
constinit PageTables views[RUMPK_WINDOW_COUNT]; // by window; not begun: it is in the map of all
constinit uint64_t device_next = device_window;
constinit uint64_t systable_frame = 0;

bool map_kernel(uint64_t base, uint64_t end, uint32_t rights) {
    return tables.map(base, base, end - base, rights, PageTables::Owner::kernel) == 0;
}

bool is_page_range(uint64_t address, uint64_t size) {
    constexpr uint64_t below_page = HAL_PAGE_SIZE - 1;
    return size != 0 && ((address | size) & below_page) == 0 && address < page_format::end_of_addresses &&
           size <= page_format::end_of_addresses - address;
}

bool are_rights(uint32_t rights) {
    bool writable_code = (rights & HAL_MAP_WRITE) != 0 && (rights & HAL_MAP_EXEC) != 0;
    return rights != 0 && (rights & ~page_format::known_rights) == 0 && !writable_code;
}

// That of the address's window, or of all.
PageTables& tables_of(uint64_t address) {
    const uint64_t above = address - window_places.base; // of what lies below: huge
    if (!has_views || above >= window_places.size) {
        return tables;
    }
    PageTables& view = views[above / RUMPK_WINDOW_SIZE];
    return view.root() != 0 ? view : tables;
}

// Where core/ may map: neither the null page, nor where memory shows itself, nor devices.
bool is_for_core(uint64_t address, uint64_t size) {
    if (address < HAL_PAGE_SIZE) {
        return false;
    }
    return address + size <= machine_facts.memory_floor || address >= device_next;
}

} // namespace

constinit const uint64_t memory_features = RUMPK_FEATURE_MMU;

[[gnu::noinline]] const char* memory_begin() {
    pool = PagePool(kernel_memory::base, kernel_memory::pool_end);
    bool mapped = tables.begin(&pool) &&
                  map_kernel(image::text_base(), image::text_end(), HAL_MAP_READ | HAL_MAP_EXEC) &&
                  map_kernel(image::text_end(), image::rodata_end(), HAL_MAP_READ) &&
                  map_kernel(image::rodata_end(), image::end(), read_write) &&
                  // The boot table's first page: how long the rest is stands in it.
                  map_kernel(image::end(), image::end() + HAL_PAGE_SIZE, HAL_MAP_READ) &&
                  map_kernel(kernel_memory::base, kernel_memory::pool_end, read_write) &&
                  map_kernel(kernel_memory::boot_stack_base, kernel_memory::end, read_write);
    for (uint32_t core = 0; core < HAL_MAX_CORES; ++core) {
        uint64_t top = kernel_memory::emergency_top(core);
        mapped = mapped && map_kernel(top - kernel_memory::emergency_size, top, read_write);
    }
    if (!mapped) {
        return "the kernel does not fit into its memory";
    }
    return translation_begin(tables.root(), {kernel_memory::base, kernel_memory::end - kernel_memory::base});
}

uint64_t memory_take_page() {
    return pool.take();
}

bool memory_map_data(AddressRange pages) {
    bool mapped = map_kernel(pages.base, pages.end(), read_write);
    translation_changed(pages.base, pages.size, true);
    return mapped;
}

bool memory_map_read_only(AddressRange pages) {
    bool mapped = map_kernel(pages.base, pages.end(), HAL_MAP_READ);
    translation_changed(pages.base, pages.size, true);
    return mapped;
}

// The core's, who is not there yet: what is the kernel's stays.
bool memory_show(AddressRange pages) {
    bool mapped = tables.map(pages.base, pages.base, pages.size, HAL_MAP_READ, PageTables::Owner::core) == 0;
    translation_changed(pages.base, pages.size, true);
    return mapped;
}

void memory_hide(AddressRange pages) {
    tables.change(pages.base, pages.size, 0);
    translation_changed(pages.base, pages.size, true);
}

bool memory_map_systable(uint64_t frame) {
    // The core's to seal.
    if (tables.map(RUMPK_SYSTABLE_ADDRESS, frame, HAL_PAGE_SIZE, read_write, PageTables::Owner::core) != 0) {
        return false;
    }
    translation_changed(RUMPK_SYSTABLE_ADDRESS, HAL_PAGE_SIZE, true);
    systable_frame = frame;
    auto word = reinterpret_cast<uint64_t*>(RUMPK_SYSTABLE_ADDRESS);
    for (uint64_t* end = word + HAL_PAGE_SIZE / sizeof(uint64_t); word != end; ++word) {
        *word = 0;
    }
    return true;
}

uint64_t memory_take_gate() {
    return memory_take_page();
}

bool memory_map_gate(uint64_t frame) {
    bool mapped = tables.map(gate_address, frame, HAL_PAGE_SIZE, HAL_MAP_READ | HAL_MAP_EXEC | HAL_MAP_USER,
                             PageTables::Owner::kernel) == 0;
    translation_changed(gate_address, HAL_PAGE_SIZE, true);
    return mapped;
}

uint64_t memory_map_device(AddressRange registers) {
    uint64_t offset = registers.base % HAL_PAGE_SIZE;
    uint64_t physical = registers.base - offset;
    uint64_t size = (offset + registers.size + HAL_PAGE_SIZE - 1) / HAL_PAGE_SIZE * HAL_PAGE_SIZE;
    // Large registers as large pages, where physical address and size allow.
    if (size >= megapage && physical % megapage == 0) {
        device_next = (device_next + megapage - 1) / megapage * megapage;
    }
    if (tables.map(device_next, physical, size, read_write, PageTables::Owner::kernel,
                   PageTables::Memory::device) != 0) {
        return 0;
    }
    translation_changed(device_next, size, true);
    uint64_t address = device_next + offset;
    device_next += size;
    return address;
}

uint64_t memory_early_device(uint64_t physical) {
    return physical == 0 || !translation_is_on() ? physical : memory_map_device({physical, HAL_PAGE_SIZE});
}

int map(uint64_t address, uint64_t physical, uint64_t size, uint32_t rights) {
    bool frames = is_page_range(physical, size);
    if (!is_page_range(address, size) || !frames || !are_rights(rights)) {
        return -RUMPK_EINVAL;
    }
    // The SysTable's frame shows at its address from the start: mapping it there seals it.
    if (address == RUMPK_SYSTABLE_ADDRESS && physical == systable_frame && size == HAL_PAGE_SIZE) {
        return protect(address, size, rights);
    }
    if (!is_for_core(address, size)) {
        return -RUMPK_EINVAL;
    }
    // What core/ has of memory, and otherwise registers.
    bool is_memory = AddressRange{boot_facts.memory_base, boot_facts.memory_size}.contains({physical, size});
    uint64_t before = pool.next();
    int error = tables_of(address).map(address, physical, size, rights, PageTables::Owner::core,
                                       is_memory ? PageTables::Memory::normal : PageTables::Memory::device);
    translation_changed(address, size, pool.next() != before);
    return error;
}

int protect(uint64_t address, uint64_t size, uint32_t rights) {
    if (!is_page_range(address, size) || !are_rights(rights)) {
        return -RUMPK_EINVAL;
    }
    uint64_t before = pool.next();
    int error = tables_of(address).change(address, size, rights);
    translation_changed(address, size, pool.next() != before);
    return error;
}

int unmap(uint64_t address, uint64_t size) {
    if (!is_page_range(address, size)) {
        return -RUMPK_EINVAL;
    }
    uint64_t before = pool.next();
    int error = tables_of(address).change(address, size, 0);
    translation_changed(address, size, pool.next() != before);
    return error;
}

// What is mapped whole is taken whole: no table is needed for a part of a large page.
int64_t memory_hide_in_view(uint32_t window, uint64_t address, uint64_t size) {
    if (!is_page_range(address, size)) {
        return -RUMPK_EINVAL;
    }
    const uint64_t taken = views[window].take(address, size);
    if (taken == 0) {
        return -RUMPK_EINVAL;
    }
    translation_changed(address, taken, false);
    return static_cast<int64_t>(taken);
}

bool memory_may_be_mapped(uint64_t root, uint64_t address) {
    return address < page_format::end_of_addresses && PageTables(root).may_map(address);
}

// All windows lie in what one entry of a root maps, which is empty in the map of all.
uint64_t memory_make_view(uint32_t window) {
    static_assert(window_places.end() <= PageTables::page_size(2));
    return views[window].begin_beside(tables, 1) ? views[window].root() : 0;
}

int memory_show_in_view(uint32_t window, uint64_t address, uint64_t physical, uint64_t size,
                        uint32_t rights) {
    if (!is_page_range(address, size) || !is_page_range(physical, size) || !are_rights(rights)) {
        return -RUMPK_EINVAL;
    }
    int error = views[window].map(address, physical, size, rights, PageTables::Owner::core);
    translation_changed(address, size, true);
    return error;
}

} // namespace rumpk::hal
