// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/kernel/simulated_machine.h"

#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <random>
#include <vector>

#include "core/panic.h"

namespace rumpk {

namespace simulated {
namespace {

constexpr size_t stack_size = 64U << 10;
constexpr uint64_t ns_per_tick = 10;

struct World {
    Machine* machine = nullptr;
    std::mt19937_64 random;
    hal table{};
    hal_boot boot{};
    void* local = nullptr;
    bool masked = true;
    bool in_interrupt = false;
    uint64_t now = 1000;
    uint64_t deadline = RUMPK_NEVER;
    uint64_t steps_left = 0;
    bool gave_up = false;
    std::deque<std::function<void()>> devices; // will interrupt, one after the other
    std::vector<std::unique_ptr<ucontext_t>> contexts;
    std::vector<std::unique_ptr<std::byte[]>> stacks;
    std::deque<Fiber> fibers;
    std::deque<std::function<void()>> bodies;
    ucontext_t outside{};
};
World* world = nullptr;

ucontext_t& host(const hal_context* context) {
    return *reinterpret_cast<ucontext_t*>(context->stack_pointer);
}

ucontext_t& fresh(hal_context* context) {
    world->contexts.push_back(std::make_unique<ucontext_t>());
    context->stack_pointer = reinterpret_cast<uint64_t>(world->contexts.back().get());
    return *world->contexts.back();
}

void context_switch(hal_context* from, const hal_context* to) {
    if (!world->masked) {
        panic("context_switch with interrupts unmasked");
    }
    ucontext_t& target = host(to);
    ucontext_t& here = from->stack_pointer != 0 ? host(from) : fresh(from);
    swapcontext(&here, &target);
}

void context_make(hal_context* context, void*, uint64_t, void (*entry)(void*), void* argument) {
    ucontext_t& made = fresh(context);
    world->stacks.push_back(std::make_unique<std::byte[]>(stack_size));
    getcontext(&made);
    made.uc_stack.ss_sp = world->stacks.back().get();
    made.uc_stack.ss_size = stack_size;
    made.uc_link = nullptr;
    auto thunk = [](unsigned e_high, unsigned e_low, unsigned a_high, unsigned a_low) {
        auto* const call = reinterpret_cast<void (*)(void*)>(uint64_t{e_high} << 32 | e_low);
        call(reinterpret_cast<void*>(uint64_t{a_high} << 32 | a_low));
    };
    const auto e = reinterpret_cast<uint64_t>(entry);
    const auto a = reinterpret_cast<uint64_t>(argument);
    makecontext(&made, reinterpret_cast<void (*)()>(+thunk), 4, static_cast<unsigned>(e >> 32),
                static_cast<unsigned>(e), static_cast<unsigned>(a >> 32), static_cast<unsigned>(a));
}

// What the hardware would do between two instructions: takes what is pending.
void take_interrupts() {
    const bool timer = world->deadline <= world->now;
    const bool device = !world->devices.empty() && world->random() % 4 == 0;
    if (!timer && !device) {
        return;
    }
    world->masked = true;
    if (timer) {
        world->deadline = RUMPK_NEVER;
        world->machine->scheduler.timer_event();
    }
    if (device) {
        auto handler = std::move(world->devices.front());
        world->devices.pop_front();
        world->machine->scheduler.count_device_event(1);
        handler();
    }
    world->machine->scheduler.interrupt_exit();
    world->masked = false;
}

void step() {
    world->now += world->random() % 50;
    if (world->steps_left == 0) {
        world->gave_up = true;
        setcontext(&world->outside);
    }
    --world->steps_left;
}

uint64_t interrupts_mask() {
    const bool was = world->masked;
    world->masked = true;
    return was ? 0 : 1;
}

void interrupts_restore(uint64_t before) {
    if (before == 0) {
        return;
    }
    world->masked = false;
    step();
    take_interrupts();
}

void interrupts_wait() {
    if (!world->devices.empty() && (world->deadline == RUMPK_NEVER || world->random() % 2 == 0)) {
        return; // the device comes first
    }
    if (world->deadline == RUMPK_NEVER) {
        setcontext(&world->outside); // nothing will ever come: the end
    }
    world->now = std::max(world->now, world->deadline);
}

void run_body(void* argument) {
    interrupts_restore(1);
    (*static_cast<std::function<void()>*>(argument))();
    (void)interrupts_mask();
    Scheduler& here = this_scheduler();
    if (Fiber* const next = here.step_aside(); next != nullptr) {
        here.go_on_with(*next);
    }
    here.forget(*here.running());
    here.leave();
}

} // namespace

Machine::Machine(uint64_t seed) {
    world = new World;
    world->machine = this;
    world->random.seed(seed);
    machine_table = &world->table;
    world->table.size = sizeof(hal);
    world->table.boot = &world->boot;
    world->table.core_local_set = [](void* local) { world->local = local; };
    world->table.core_local = [] { return world->local; };
    world->table.context_make = context_make;
    world->table.context_switch = context_switch;
    world->table.context_switch_unmask = [](hal_context* from, const hal_context* to) -> int64_t {
        context_switch(from, to);
        interrupts_restore(1);
        return 0;
    };
    world->table.context_leave = [](const hal_context* to) {
        hal_context left{};
        context_switch(&left, to);
    };
    world->table.context_preempt = context_switch;
    world->table.interrupts_mask = interrupts_mask;
    world->table.interrupts_restore = interrupts_restore;
    world->table.interrupts_wait = interrupts_wait;
    world->table.interrupt_stack = [](void* base, uint64_t) { world->machine->interrupt_stack = base; };
    world->table.now = [] { return ++world->now; };
    world->table.ticks = [] { return ++world->now / ns_per_tick; };
    world->table.ticks_ns = [](uint64_t ticks) { return ticks * ns_per_tick; };
    world->table.timer_set = [](uint64_t when) {
        world->deadline = when;
        ++world->machine->timer_sets;
    };
    // Named, and never used.
    std::array<AddressRange, interrupt_stacks> stacks{};
    for (size_t i = 0; i < stacks.size(); ++i) {
        stacks[i] = {VirtAddr{(i + 1) * 4096}, 4096};
    }
    scheduler.prepare(CoreId{0}, stacks, {}, deadlines, deadline_pointers);
    scheduler.enter();
}

Machine::~Machine() {
    delete world;
    world = nullptr;
}

Fiber& Machine::fiber(Tier tier, std::function<void()> body) {
    Fiber& made = world->fibers.emplace_back();
    world->bodies.push_back(std::move(body));
    made.tier = tier;
    made.id = FiberId{static_cast<uint32_t>(world->fibers.size()), FiberId::first_generation};
    context_make(&made.context, nullptr, 0, run_body, &world->bodies.back());
    return made;
}

Budget& Machine::budget(Fiber& fiber, uint32_t run, uint32_t window, bool demotable) {
    Budget& made = accounts.emplace_back();
    made.prepare(0, {.size = 0, .fibers = 1, .run_us = run, .window_us = window, .name = {}});
    made.begin(demotable);
    fiber.budget = static_cast<uint16_t>(accounts.size());
    scheduler.expect_budgets();
    scheduler.count_time();
    return made;
}

bool Machine::run(uint64_t most) {
    volatile bool returned = false;
    world->steps_left = most;
    getcontext(&world->outside);
    if (!returned) {
        returned = true;
        scheduler.run();
    }
    return !world->gave_up;
}

void Machine::chance() {
    const InterruptsMasked masked;
}

void Machine::interrupt_later(std::function<void()> handler) {
    world->devices.push_back(std::move(handler));
}

Machine& the_machine() {
    return *world->machine;
}

} // namespace simulated

const struct hal* machine_table = nullptr;

void panic(std::string_view what) {
    std::fprintf(stderr, "panic: %.*s\n", static_cast<int>(what.size()), what.data());
    std::abort();
}

Budget& budget_of(const Fiber& fiber) {
    return simulated::world->machine->accounts[fiber.budget - 1U];
}

void look_after_cells(Instant /*now*/) {} // there are none

void fiber_end_by_budget(Fiber& fiber) {
    simulated::world->machine->ended_by_budget.push_back(&fiber);
    this_scheduler().forget(fiber);
}

void panic_fiber(const Fiber&, std::string_view what) {
    panic(what);
}

} // namespace rumpk
