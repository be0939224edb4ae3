// SPDX-License-Identifier: Apache-2.0
// The simulated machine's side of abi/hal.h.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <memory>

#include "tests/unit/simulation/kernel.h"
#include "tests/unit/simulation/world.h"

namespace rumpk::simulated {
namespace {

constexpr uint64_t page = HAL_PAGE_SIZE;
constexpr uint64_t system_table = RUMPK_SYSTABLE_ADDRESS;     // as the build says
constexpr uint64_t table_frame = physical_base + memory_size; // the frame behind all that is given out
constexpr uint64_t seed_size = 32;

hal table;
hal_boot facts;

Core& here() {
    return *world->current;
}

// ---- memory ----

int memory_file() {
    static const int file = [] {
        int made = memfd_create("simulation", MFD_CLOEXEC | 0x10U /* MFD_EXEC, where it is known */);
        if (made < 0) {
            made = memfd_create("simulation", MFD_CLOEXEC);
        }
        if (made < 0 || ftruncate(made, static_cast<off_t>(memory_size + page)) != 0) {
            std::abort();
        }
        return made;
    }();
    return file;
}

// What stands at a page of the host. Mappings stay from one run to the next: most are the same again.
struct Page {
    uint64_t physical = 0;
    uint32_t rights = 0;
    bool mapped = false; // in this run
};
std::map<uint64_t, Page> pages;

int map(uint64_t address, uint64_t physical, uint64_t size, uint32_t rights) {
    point();
    if (address % page != 0 || physical % page != 0 || size % page != 0 || size == 0) {
        return -RUMPK_EINVAL;
    }
    bool same = true;
    for (uint64_t at = 0; at < size; at += page) {
        Page& one = pages[address + at];
        if (one.mapped) {
            return -RUMPK_EEXIST;
        }
        same = same && one.physical == physical + at && one.rights == rights;
    }
    for (uint64_t at = 0; at < size; at += page) {
        pages[address + at] = {physical + at, rights, true};
    }
    if (same) {
        return 0;
    }
    const int protection = PROT_READ | PROT_WRITE | ((rights & HAL_MAP_EXEC) != 0 ? PROT_EXEC : 0);
    const void* const got = mmap(reinterpret_cast<void*>(address), size, protection, MAP_SHARED | MAP_FIXED,
                                 memory_file(), static_cast<off_t>(physical - physical_base));
    return got != MAP_FAILED ? 0 : -RUMPK_ENOMEM;
}

int unmap(uint64_t address, uint64_t size) {
    point();
    for (uint64_t at = 0; at < size; at += page) {
        if (!pages[address + at].mapped) {
            return -RUMPK_ENOENT;
        }
    }
    for (uint64_t at = 0; at < size; at += page) {
        pages[address + at].mapped = false;
    }
    return 0;
}

int protect(uint64_t address, uint64_t size, uint32_t) {
    for (uint64_t at = 0; at < size; at += page) {
        if (!pages[address + at].mapped) {
            return -RUMPK_ENOENT;
        }
    }
    return 0;
}

void interrupts_restore(uint64_t before);

// ---- contexts ----

void context_make(hal_context* context, void* stack_base, uint64_t, void (*entry)(void*), void* argument) {
    HostStack& stack = stack_at(stack_base);
    for (const Core& core : world->cores) {
        check(core.runs_on != &stack, "a stack is given to a new context while a core is on it");
    }
    for (auto& [where, parked] : world->parked) {
        if (parked.context == context) {
            parked = {};
        }
    }
    Flow& flow = world->contexts[context];
    flow = Flow{};
    flow.prepare(stack, entry, argument);
    point();
}

void context_switch(hal_context* from, const hal_context* to) {
    point();
    Core& core = here();
    check(core.masked, "context_switch with interrupts unmasked");
    goes_to(to);
    Flow& left = world->contexts[from];
    Flow& next = world->contexts[to];
    check(next.waits(), "a context is gone to that runs already, or never was");
    left.set_stack(core.runs_on);
    core.runs_on = next.stack();
    core.flow.set_stack(next.stack());
    Flow::go(left, next);
    check(&here() == &core, "a context was gone back to on another core");
    check(core.masked, "a context was gone back to unmasked");
}

int64_t context_switch_unmask(hal_context* from, const hal_context* to) {
    context_switch(from, to);
    interrupts_restore(1);
    return 0;
}

hal_context left; // whichever core did so last: nobody goes back there

void context_leave(const hal_context* to) {
    context_switch(&left, to);
}

void context_preempt(hal_context* from, const hal_context* to) {
    world->parked[here().runs_on].context = from;
    context_switch(from, to);
}

int64_t call_on_stack(void* stack_base, uint64_t, int64_t (*function)(void*), void* argument) {
    check(here().masked, "call_on_stack with interrupts unmasked");
    return call_on(stack_at(stack_base), function, argument);
}

// ---- interrupts and cores ----

uint64_t interrupts_mask() {
    point();
    Core& core = here();
    const bool was = core.masked;
    core.masked = true;
    return was ? 0 : 1;
}

void interrupts_restore(uint64_t before) {
    if (before != 0) {
        here().masked = false;
        take_interrupts(); // what is pending comes at once
    }
    point();
}

void interrupts_wait() {
    point();
    Core& core = here();
    check(core.masked, "interrupts_wait with interrupts unmasked");
    core.waiting = true;
    world->quantum = 0;
    while (!pending(core)) {
        world->quantum = 0;
        point();
    }
    core.waiting = false;
}

void core_wake(uint32_t core) {
    point();
    check(core < world->plan.cores, "a bell for a core that is not there");
    const uint64_t delay = draw(3) == 0 ? draw(2000) : draw(2) * draw(100);
    world->cores[core].message = std::min(world->cores[core].message, world->time + delay);
    point();
}

int core_start(uint32_t core, void* stack_base, uint64_t) {
    if (core >= world->plan.cores) {
        return -RUMPK_EINVAL;
    }
    Core& other = world->cores[core];
    if (other.started) {
        return -RUMPK_EEXIST;
    }
    HostStack& stack = stack_at(stack_base);
    other.runs_on = &stack;
    other.flow.prepare(
        stack, [](void* self) { world->events->core_start(static_cast<Core*>(self)->index); }, &other);
    other.started = true;
    point();
    return 0;
}

uint64_t read_clock() {
    point();
    return ++world->time;
}

void timer_set(uint64_t when) {
    here().timer = when;
    point();
}

hal_boot boot_facts() {
    static uint8_t seed[seed_size];
    for (uint8_t& byte : seed) {
        byte = static_cast<uint8_t>(draw(256));
    }
    hal_boot boot{};
    boot.machine = "simulation";
    boot.arch = "none";
    boot.cores = world->plan.cores;
    boot.boot_core = world->plan.boot_core;
    boot.elf_machine = 243;
    boot.interrupt_stack_size = 1024;
    boot.memory_total = memory_size;
    boot.memory_base = physical_base;
    boot.memory_size = memory_size;
    boot.direct_map = reinterpret_cast<uint64_t>(memory_view()) - physical_base;
    boot.systable_physical = table_frame;
    boot.systable_address = system_table;
    boot.image = world->plan.image.data();
    boot.image_size = world->plan.image.size();
    boot.arguments = world->plan.framed ? "rumpk.console=framed" : "";
    boot.seed = seed;
    boot.seed_size = seed_size;
    boot.console_line = ConsoleDevice::line;
    boot.frame_previous = -16;
    boot.frame_return = -8;
    boot.table_span = page;
    boot.timer = "none";
    return boot;
}

void fill_life(hal& made) {
    made.start = [](const hal_events* events) { world->events = events; };
    made.power_off = [](uint32_t code) { switch_off(code); };
    made.core_index = [] { return here().index; };
    made.core_local_set = [](void* local) { here().local = local; };
    made.core_local = [] { return here().local; };
    made.core_start = core_start;
    made.core_wake = core_wake;
    made.now = read_clock;
    made.timer_set = timer_set;
    made.ticks = read_clock;
    made.ticks_ns = [](uint64_t ticks) { return ticks; };
}

void fill_devices(hal& made) {
    made.device_enable = [](uint32_t line) {
        world->console.enable();
        return line == ConsoleDevice::line ? 0 : -RUMPK_EINVAL;
    };
    made.device_done = [](uint32_t) {
        world->console.done();
        point();
    };
    made.console_read = [](uint8_t* buffer, uint64_t size) {
        point();
        check(here().masked, "console_read with interrupts unmasked");
        return world->console.read(buffer, size);
    };
    made.console_write = [](uint32_t, const uint8_t* buffer, uint64_t size) {
        point();
        check(here().masked, "console_write with interrupts unmasked");
        return world->console.write(buffer, size);
    };
    made.console_put = [](uint32_t, const uint8_t* buffer, uint64_t size) {
        for (uint64_t i = 0; i < size; ++i) { // polls for each byte: others get far meanwhile
            point();
            world->console.put(buffer + i, 1);
        }
    };
    made.console_flush = [] { point(); };
    made.console_request = []() -> uint32_t { return 0; };
}

} // namespace

HostStack& stack_at(const void* base) {
    static std::map<const void*, std::unique_ptr<HostStack>> stacks; // kept from run to run
    std::unique_ptr<HostStack>& found = stacks[base];
    if (found == nullptr) {
        found = std::make_unique<HostStack>();
    }
    return *found;
}

std::byte* memory_view() {
    static auto* const view = static_cast<std::byte*>(
        mmap(nullptr, memory_size + page, PROT_READ | PROT_WRITE, MAP_SHARED, memory_file(), 0));
    return view;
}

void forget_mappings() {
    for (auto& [address, one] : pages) {
        one.mapped = false;
    }
    std::memset(memory_view(), 0xa5, memory_size); // what the last run left is nobody's to read
    std::memset(memory_view() + memory_size, 0, page);
}

const hal& make_table() {
    facts = boot_facts();
    table = {};
    table.size = sizeof(hal);
    table.boot = &facts;
    fill_life(table);
    fill_devices(table);
    table.context_make = context_make;
    table.context_switch = context_switch;
    table.context_switch_unmask = context_switch_unmask;
    table.context_leave = context_leave;
    table.context_preempt = context_preempt;
    table.call_on_stack = call_on_stack;
    table.interrupts_mask = interrupts_mask;
    table.interrupts_restore = interrupts_restore;
    table.interrupts_wait = interrupts_wait;
    table.interrupt_stack = [](void* base, uint64_t) { here().interrupt_stack = &stack_at(base); };
    table.map = map;
    table.protect = protect;
    table.unmap = unmap;
    table.code_written = [](uint64_t, uint64_t) {};
    return table;
}

} // namespace rumpk::simulated

// Where the compiler put marks into the kernel: before each load and store. Memory that cores share lies in
// the machine's memory or in the window; what is on a stack is nobody else's.
namespace {

inline void touched(const void* address) {
    using namespace rumpk::simulated;
    const auto at = reinterpret_cast<uintptr_t>(address);
    static const auto view = reinterpret_cast<uintptr_t>(memory_view());
    if (at - view < memory_size || at - RUMPK_WINDOW_A < RUMPK_WINDOW_SIZE ||
        at - kernel_variables.base < kernel_variables.size) {
        point();
    }
}

} // namespace

extern "C" {
void __sanitizer_cov_load1(uint8_t* at) {
    touched(at);
}
void __sanitizer_cov_load2(uint16_t* at) {
    touched(at);
}
void __sanitizer_cov_load4(uint32_t* at) {
    touched(at);
}
void __sanitizer_cov_load8(uint64_t* at) {
    touched(at);
}
void __sanitizer_cov_load16(__uint128_t* at) {
    touched(at);
}
void __sanitizer_cov_store1(uint8_t* at) {
    touched(at);
}
void __sanitizer_cov_store2(uint16_t* at) {
    touched(at);
}
void __sanitizer_cov_store4(uint32_t* at) {
    touched(at);
}
void __sanitizer_cov_store8(uint64_t* at) {
    touched(at);
}
void __sanitizer_cov_store16(__uint128_t* at) {
    touched(at);
}
}
