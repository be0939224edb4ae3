// SPDX-License-Identifier: Apache-2.0
#include "core/boot_cores.h"

#include <algorithm>

#include "core/log.h"
#include "core/memory.h"
#include "core/remote.h"
#include "core/system.h"

namespace rumpk {

namespace {

constexpr uint64_t interrupt_stack_size = 4096; // beside what the HAL needs
constexpr uint64_t kernel_stack_size = 8192;
constexpr uint64_t idle_stack_size = 4096;

// By core; nullptr: it sleeps for ever. Written before the others start.
std::array<Scheduler*, HAL_MAX_CORES> schedulers{};

struct Wanted {
    uint64_t cores = 0;  // bit per core
    uint32_t fibers = 1; // at once, the console's included
    bool budgets = false;
};

Wanted wanted_by(const BootTable& table) {
    Wanted wanted;
    for (uint32_t i = 0; i < table.cell_count(); ++i) {
        wanted.cores |= first_cores(table.cell(i).cores);
        wanted.fibers += table.cell(i).fibers + (parts::supervisors() ? 1 : 0); // its supervisor
        wanted.budgets |= !table.cell(i).budgets.empty();
    }
    return wanted;
}

// Every fiber may run there, and wait for a deadline; who runs is watched by one more for its budget, and its
// cell's heartbeat by another.
Scheduler* make_scheduler(CoreId core, const Wanted& wanted) {
    std::array<AddressRange, interrupt_stacks> interrupts;
    const uint64_t size =
        align_up(interrupt_stack_size + machine().boot->interrupt_stack_size, HAL_PAGE_SIZE);
    for (AddressRange& stack : interrupts) {
        stack = kernel_stack(size, "interrupt stacks");
    }
    Scheduler& made = boot_memory().take_objects<Scheduler>(1, "schedulers")[0];
    const size_t blocks = DeadlineStorage::blocks_for(wanted.fibers + 2, tier_count);
    made.prepare(core, interrupts, kernel_stack(kernel_stack_size, "kernel stacks"),
                 boot_memory().take_objects<DeadlineStorage::Block>(blocks, "deadlines"),
                 boot_memory().take_objects<DeadlineStorage::Block*>(
                     DeadlineStorage::pointers_for(blocks, tier_count), "deadlines"));
    if (wanted.budgets) {
        made.expect_budgets();
    }
    if (boot_options().traces()) {
        const uint64_t events = uint64_t{1} << boot_options().trace_size;
        const AddressRange memory = kernel_stack(events * sizeof(rumpk_trace_event), "traces");
        made.start_trace({static_cast<rumpk_trace_event*>(memory.pointer()), events});
    }
    return &made;
}

// The boot core's numbers come from the machine's entropy, each other core's from those.
void seed(Scheduler& boot, Scheduler& other) {
    std::array<std::byte, 32> fresh{};
    if (boot.random().fill(fresh)) {
        other.random().seed(fresh);
    }
}

} // namespace

AddressRange kernel_stack(uint64_t size, std::string_view what) {
    const PhysAddr physical = boot_memory().take_pages(size, what);
    return {VirtAddr{reinterpret_cast<uintptr_t>(boot_memory().touch(physical))}, size};
}

void prepare_cores(const BootTable& table) {
    const hal_boot& boot = *machine().boot;
    const Wanted wanted = wanted_by(table);
    Scheduler* const here = make_scheduler(CoreId{boot.boot_core}, wanted);
    schedulers[boot.boot_core] = here;
    here->enter();
    here->random().seed(std::as_bytes(std::span(boot.seed, boot.seed_size)));
    for (uint32_t core = 0; core < boot.cores; ++core) {
        if (schedulers[core] != nullptr || !parts::cores || (wanted.cores >> core & 1) == 0) {
            continue;
        }
        schedulers[core] = make_scheduler(CoreId{core}, wanted);
        seed(*here, *schedulers[core]);
        // Every cell's home is the boot core: there its fibers' ends are told.
        for (uint32_t other = 0; other < boot.cores; ++other) {
            if (other != core && schedulers[other] != nullptr) {
                const uint32_t slots = other == boot.boot_core ? wanted.fibers : 0;
                Mailbox::connect(schedulers[core]->mailbox(), 0, schedulers[other]->mailbox(), slots);
            }
        }
    }
    if (const uint32_t used = cores_in_use(); used < boot.cores) {
        print_verbose("%lu of %lu cores stay off", uint64_t{boot.cores - used}, uint64_t{boot.cores});
    }
}

uint32_t cores_in_use() {
    const auto count = schedulers.size() - static_cast<size_t>(std::ranges::count(schedulers, nullptr));
    return parts::cores ? static_cast<uint32_t>(count) : 1;
}

uint64_t first_cores(uint32_t count) {
    uint64_t cores = uint64_t{1} << machine().boot->boot_core;
    for (uint32_t core = 0; parts::cores && core < machine().boot->cores && count > 1; ++core) {
        const uint64_t bit = uint64_t{1} << core;
        count -= (cores & bit) == 0 ? 1 : 0;
        cores |= bit;
    }
    return cores;
}

void start_other_cores() {
    for (uint32_t core = 0; parts::cores && core < machine().boot->cores; ++core) {
        if (schedulers[core] == nullptr || core == machine().boot->boot_core) {
            continue;
        }
        const AddressRange stack = kernel_stack(idle_stack_size, "idle stacks");
        if (machine().core_start(core, stack.pointer(), stack.size) < 0) {
            stop_boot("core %lu does not start", uint64_t{core});
        }
    }
}

const Scheduler* scheduler_of(CoreId core) {
    return schedulers[core.value()];
}

void run_core(uint32_t core) {
    ensure(parts::cores);
    schedulers[core]->enter();
    // What was sent before this core could hear the bell is looked for once.
    machine().core_wake(core);
    schedulers[core]->run();
}

} // namespace rumpk
