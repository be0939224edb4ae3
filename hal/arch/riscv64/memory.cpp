// SPDX-License-Identifier: Apache-2.0
#include "hal/arch/riscv64/memory.h"

#include "hal/arch/riscv64/cores.h"
#include "hal/arch/riscv64/csr.h"
#include "hal/arch/riscv64/image.h"
#include "hal/arch/riscv64/machine_facts.h"
#include "hal/arch/riscv64/sbi.h"

namespace rumpk::hal {

constinit uint64_t hal_satp = 0;

namespace {

constexpr uint64_t satp_sv39 = uint64_t{8} << 60; // 4.1.11
constexpr uint32_t read_write = HAL_MAP_READ | HAL_MAP_WRITE;
constexpr uint64_t megapage = 0x200000;

constinit PagePool pool;
constinit Sv39 tables;
constinit uint64_t device_next = device_window;

bool map_kernel(uint64_t base, uint64_t end, uint32_t rights) {
    return tables.map(base, base, end - base, rights, Sv39::Owner::kernel) == 0;
}

// 4.2.1: after an entry has changed, SFENCE.VMA with the page's address; with x0 for all where a
// table has changed. An implementation may also keep "not there", so new mappings count, too.
// Other cores do the same through SBI, and have done it when the call returns.
void fence(uint64_t address, uint64_t size, bool tables_changed) {
    constexpr uint64_t one_by_one = 8 * HAL_PAGE_SIZE;
    if (tables_changed || size > one_by_one) {
        asm volatile("sfence.vma" ::: "memory");
    } else {
        for (uint64_t at = address; at < address + size; at += HAL_PAGE_SIZE) {
            asm volatile("sfence.vma %0" ::"r"(at) : "memory");
        }
    }
    if (cores_started() > 1) {
        sbi::remote_sfence_vma(all_harts, tables_changed ? 0 : address, tables_changed ? ~uint64_t{0} : size);
    }
}

bool is_page_range(uint64_t address, uint64_t size) {
    constexpr uint64_t below_page = HAL_PAGE_SIZE - 1;
    return size != 0 && ((address | size) & below_page) == 0 && address < Sv39::end_of_addresses &&
           size <= Sv39::end_of_addresses - address;
}

bool are_rights(uint32_t rights) {
    constexpr uint32_t all = HAL_MAP_READ | HAL_MAP_WRITE | HAL_MAP_EXEC;
    bool writable_code = (rights & HAL_MAP_WRITE) != 0 && (rights & HAL_MAP_EXEC) != 0;
    return rights != 0 && (rights & ~all) == 0 && !writable_code;
}

// Where core/ may map: neither the null page, nor where memory shows itself, nor devices.
bool is_for_core(uint64_t address, uint64_t size) {
    if (address < HAL_PAGE_SIZE) {
        return false;
    }
    return address + size <= machine_facts.memory_floor || address >= device_next;
}

} // namespace

const char* memory_begin() {
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
    // The core's to seal.
    mapped = mapped && tables.map(RUMPK_SYSTABLE_ADDRESS, RUMPK_SYSTABLE_ADDRESS, HAL_PAGE_SIZE, read_write,
                                  Sv39::Owner::core) == 0;
    if (!mapped) {
        return "the kernel does not fit into its memory";
    }
    hal_satp = satp_sv39 | tables.root() / HAL_PAGE_SIZE;
    asm volatile("sfence.vma" ::: "memory");
    write_satp(hal_satp);
    asm volatile("sfence.vma" ::: "memory");
    // 4.1.11: a mode that the processor does not have leaves the register as it was.
    return read_satp() == hal_satp ? nullptr : "this processor has no Sv39 paging";
}

uint64_t memory_take_page() {
    return pool.take(1);
}

bool memory_map_data(AddressRange pages) {
    bool mapped = map_kernel(pages.base, pages.end(), read_write);
    fence(pages.base, pages.size, true);
    return mapped;
}

bool memory_map_read_only(AddressRange pages) {
    bool mapped = map_kernel(pages.base, pages.end(), HAL_MAP_READ);
    fence(pages.base, pages.size, true);
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
    if (tables.map(device_next, physical, size, read_write, Sv39::Owner::kernel) != 0) {
        return 0;
    }
    fence(device_next, size, true);
    uint64_t address = device_next + offset;
    device_next += size;
    return address;
}

uint64_t memory_early_device(uint64_t physical) {
    bool translated = read_satp() != 0;
    return physical == 0 || !translated ? physical : memory_map_device({physical, HAL_PAGE_SIZE});
}

int map(uint64_t address, uint64_t physical, uint64_t size, uint32_t rights) {
    bool frames = is_page_range(physical, size);
    if (!is_page_range(address, size) || !frames || !are_rights(rights)) {
        return -RUMPK_EINVAL;
    }
    // The SysTable's frame shows at its address from the start: mapping it there seals it.
    if (address == RUMPK_SYSTABLE_ADDRESS && physical == RUMPK_SYSTABLE_ADDRESS && size == HAL_PAGE_SIZE) {
        return protect(address, size, rights);
    }
    if (!is_for_core(address, size)) {
        return -RUMPK_EINVAL;
    }
    uint64_t before = pool.next();
    int error = tables.map(address, physical, size, rights, Sv39::Owner::core);
    fence(address, size, pool.next() != before);
    return error;
}

int protect(uint64_t address, uint64_t size, uint32_t rights) {
    if (!is_page_range(address, size) || !are_rights(rights)) {
        return -RUMPK_EINVAL;
    }
    uint64_t before = pool.next();
    int error = tables.change(address, size, rights);
    fence(address, size, pool.next() != before);
    return error;
}

int unmap(uint64_t address, uint64_t size) {
    if (!is_page_range(address, size)) {
        return -RUMPK_EINVAL;
    }
    uint64_t before = pool.next();
    int error = tables.change(address, size, 0);
    fence(address, size, pool.next() != before);
    return error;
}

// Unprivileged specification, chapter 3 (Zifencei): FENCE.I orders this hart's stores before its
// own fetches only. For the others: FENCE first, so that they can see the stores, then theirs.
void code_written(uint64_t, uint64_t) {
    asm volatile("fence.i" ::: "memory");
    if (cores_started() > 1) {
        asm volatile("fence rw, rw" ::: "memory");
        sbi::remote_fence_i(all_harts);
    }
}

} // namespace rumpk::hal
