// SPDX-License-Identifier: Apache-2.0
#include "hal/board/cores.h"

#include <atomic>

#include "hal/board/arch.h"
#include "hal/board/memory.h"

namespace rumpk::hal {

constinit Core cores[HAL_MAX_CORES] = {};

namespace {

constinit uint32_t count = 1;
constinit std::atomic<uint32_t> started = 1;

// Until interrupt_stack says more, everything runs on the emergency stack.
void set_stacks(Core& core, uint32_t place) {
    core.emergency_top = kernel_memory::emergency_top(place);
    core.interrupt_base = core.emergency_top;
    core.interrupt_top = core.emergency_top;
}

} // namespace

void cores_begin() {
    set_stacks(cores[0], 0);
}

void cores_name(const MachineTree& tree) {
    count = static_cast<uint32_t>(tree.harts.size());
    uint32_t boot = tree.boot_hart;
    for (uint32_t index = 0; index < count; ++index) {
        // The boot core has run on the first stack from the start and keeps it.
        set_stacks(cores[index], index == boot ? 0 : index == 0 ? boot : index);
        cores[index].id = tree.harts[index].id;
        cores[index].index = index;
    }
    cores[boot].started = true;
    this_core_set(cores[boot]);
}

uint32_t cores_count() {
    return count;
}

uint32_t cores_started() {
    return started.load(std::memory_order_relaxed);
}

uint32_t core_index() {
    return this_core().index;
}

void core_local_set(void* local) {
    this_core().local = local;
}

void* core_local() {
    return this_core().local;
}

int core_start(uint32_t index, void* stack_base, uint64_t stack_size) {
    constexpr uint64_t alignment = 16;
    auto base = reinterpret_cast<uint64_t>(stack_base);
    if (index >= count || stack_size == 0 || (base | stack_size) % alignment != 0) {
        return -RUMPK_EINVAL;
    }
    Core& core = cores[index];
    if (core.started) {
        return -RUMPK_EEXIST;
    }
    core.start_stack = base + stack_size;
    // Counted before it runs: from its first instruction on, changes of the map concern it.
    started.fetch_add(1, std::memory_order_relaxed);
    if (int error = core_bring_up(core)) {
        started.fetch_sub(1, std::memory_order_relaxed);
        return error;
    }
    core.started = true;
    return 0;
}

} // namespace rumpk::hal

extern "C" [[noreturn]] void hal_secondary_main(rumpk::hal::Core* core) {
    using namespace rumpk::hal;
    device_lines_begin();
    trap_begin();
    // Firmware starts a core with nothing pending: a wake-up that came before is gone. This one takes its
    // place.
    core->rung.store(0, std::memory_order_relaxed);
    core_wake(core->index);
    trap_events->core_start(core->index);
    __builtin_unreachable();
}
