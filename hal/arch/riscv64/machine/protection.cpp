// SPDX-License-Identifier: Apache-2.0
//
// Rights that hold on every core from a change on, and code that is run after it was written.
#include <atomic>
#include <initializer_list>

#include "hal/arch/riscv64/csr.h"
#include "hal/arch/riscv64/machine/protection.h"
#include "hal/arch/riscv64/machine/refresh.h"
#include "hal/arch/riscv64/platform.h"
#include "hal/board/arch.h"
#include "hal/board/cores.h"

extern "C" {
void hal_pmp_load(const rumpk::hal::Entries* entries);
uint64_t hal_pmp_probe();

// By view, as protection_change counts. Written by one core at a time, which goes on when every core that has
// them loaded has read them anew; only one core goes from view to view (docs/decisions/several.md), so none
// finds them half written (reach.inc).
constinit rumpk::hal::Entries hal_pmp_entries[1 + RUMPK_WINDOW_COUNT] = {};

// By core: the last change that it knows of; 0: it has not been started (entry.S). Written by the core
// itself, and before it runs by who starts it.
constinit std::atomic<uint64_t> hal_loaded[HAL_MAX_CORES] = {};
}
static_assert(sizeof(hal_loaded[0]) == REGISTER_SIZE);

namespace rumpk::hal {

namespace {

// Changes so far. The first is that nothing may be touched; a core that is started knows of none, for that
// is 1, and so loads the entries before it enters a program.
constinit std::atomic<uint64_t> changes = 2;

// By core: it waits until others have loaded them, and they ring it.
constinit std::atomic<bool> waiting[HAL_MAX_CORES] = {};

void load_entries() {
    // acquire: pairs with refresh_all; what is loaded below is at least of this change.
    const uint64_t known = changes.load(std::memory_order_acquire);
    const uint64_t view = this_core().view; // 0: no program has run here yet
    hal_pmp_load(view != 0 ? reinterpret_cast<const Entries*>(view) : hal_pmp_entries);
    asm volatile("fence.i" ::: "memory");
    // release: who waits for it may write the entries anew.
    hal_loaded[core_index()].store(known, std::memory_order_release);
    // Pairs with refresh_all: either this sees that it waits, or it sees what was stored.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    for (uint32_t core = 0; core < cores_count(); ++core) {
        if (waiting[core].load(std::memory_order_relaxed)) {
            platform::ring(cores[core]);
        }
    }
}

// Here, and on every other core that has started. Cores that wait for each other serve each other; one that
// does not answer at once is in the kernel, masked, and answers when it leaves. What it rings with stays
// pending and ends every wait until then. [masked]
void refresh_all() {
    // release: pairs with load_entries.
    const uint64_t wanted = changes.fetch_add(1, std::memory_order_release) + 1;
    load_entries();
    const auto waits_for = [=](uint32_t core) {
        const uint64_t known = hal_loaded[core].load(std::memory_order_acquire); // pairs with load_entries
        return known != 0 && known < wanted;
    };
    for (uint32_t core = 0; core < cores_count(); ++core) {
        if (waits_for(core)) {
            platform::ring(cores[core]);
        }
    }
    std::atomic<bool>& self = waiting[core_index()];
    self.store(true, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_seq_cst); // pairs with load_entries
    for (uint32_t core = 0; core < cores_count(); ++core) {
        while (waits_for(core)) {
            interrupts_wait();
            refresh_if_asked();
        }
    }
    self.store(false, std::memory_order_relaxed);
}

} // namespace

void refresh_expects(const Core& core) {
    hal_loaded[core.index].store(1, std::memory_order_release); // what it will read was written before
}

void refresh_if_asked() {
    // acquire: pairs with refresh_all.
    const uint64_t known = hal_loaded[core_index()].load(std::memory_order_relaxed);
    if (known != changes.load(std::memory_order_acquire)) {
        load_entries();
    }
}

const char* protection_begin() {
    return hal_pmp_probe() != 0 ? nullptr : "this processor has not 16 regions of memory protection";
}

bool protection_change(uint32_t view, const Regions& regions) {
    Entries wanted;
    if (!make_entries(regions, wanted)) {
        return false;
    }
    hal_pmp_entries[view] = wanted;
    refresh_all();
    return true;
}

// Unprivileged specification, chapter 3 (Zifencei): FENCE.I orders a hart's own fetches only.
void code_written(uint64_t, uint64_t) {
    const bool masked = interrupts_mask() != 0;
    refresh_all();
    interrupts_restore(masked ? 1 : 0);
}

} // namespace rumpk::hal
