// SPDX-License-Identifier: Apache-2.0
// Who runs: cores by turns, interrupts at points.
#include "tests/unit/simulation/machine.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tests/unit/simulation/sanitizer.h"
#include "tests/unit/simulation/world.h"

namespace rumpk::simulated {

World* world = nullptr;

namespace {

constexpr uint64_t point_time = 7; // ns

Core& here() {
    return *world->current;
}

// What arrives first of what is pending, where an order is left open.
enum class Cause : uint32_t { device, message, timer };

bool is_pending(const Core& core, Cause cause) {
    switch (cause) {
    case Cause::device:
        return core.index == world->plan.boot_core && world->console.pending();
    case Cause::message:
        return core.message <= world->time;
    case Cause::timer:
        return core.timer <= world->time;
    }
    return false;
}

void serve(Core& core, Cause cause) {
    switch (cause) {
    case Cause::device:
        world->console.take();
        world->events->device(ConsoleDevice::line);
        break;
    case Cause::message:
        core.message = RUMPK_NEVER; // a bell from here on raises it again
        world->events->message();
        break;
    case Cause::timer:
        core.timer = RUMPK_NEVER;
        world->events->timer();
        break;
    }
}

int64_t handle(void* argument) {
    Core& core = *static_cast<Core*>(argument);
    std::array causes{Cause::device, Cause::timer, Cause::message};
    if (!world->plan.one_cause_each) {
        std::ranges::shuffle(causes, world->random);
    }
    for (const Cause cause : causes) {
        if (is_pending(core, cause)) {
            serve(core, cause);
            if (world->plan.one_cause_each) {
                break;
            }
        }
    }
    world->events->interrupt_exit();
    return 0;
}

void take_one(Core& core) {
    HostStack* const stack = core.interrupt_stack;
    check(stack != nullptr, "an interrupt before there is a stack for it");
    Parked& parked = world->parked[stack];
    check(!parked.busy || parked.context == nullptr || !will_go_on(parked.context),
          "an interrupt on a stack that holds the frame of another");
    parked = {nullptr, true};
    core.masked = true;
    ++core.interrupts;
    (void)call_on(*stack, handle, &core);
    --core.interrupts;
    check(&here() == &core, "an interrupt returned on another core");
    world->parked[stack].busy = false;
    core.masked = false;
    if (!core.waiting) {
        went_on(core.index);
    }
}

bool can_go(const Core& core) {
    return core.started && (!core.waiting || pending(core));
}

// Which core's turn it is; nullptr: none can go.
Core* choose() {
    std::vector<Core*> able;
    for (Core& core : world->cores) {
        if (!can_go(core)) {
            continue;
        }
        if (core.asleep > 0) {
            --core.asleep;
            continue;
        }
        for (uint32_t i = 0; i < core.weight; ++i) {
            able.push_back(&core);
        }
    }
    if (!able.empty()) {
        return able[draw(able.size())];
    }
    const auto first = std::ranges::find_if(world->cores, can_go);
    return first != world->cores.end() ? &*first : nullptr;
}

// Nobody can go: until something happens by itself. False: nothing ever will.
bool skip_time() {
    uint64_t next = RUMPK_NEVER;
    for (const Core& core : world->cores) {
        next = std::min({next, core.timer, core.message});
    }
    if (world->console.will_interrupt()) {
        world->console.pass_time();
        return true;
    }
    world->time = next != RUMPK_NEVER ? std::max(world->time, next) : world->time;
    return next != RUMPK_NEVER;
}

uint64_t draw_quantum() {
    switch (draw(8)) {
    case 0:
        return 1 + draw(400);
    case 1:
    case 2:
        return 1 + draw(40);
    default:
        return 1 + draw(6);
    }
}

void engine() {
    while (!world->off) {
        if (draw(4) == 0) {
            world->console.pass_time();
        }
        Core* const next = choose();
        if (next == nullptr) {
            if (!skip_time()) {
                fail("the machine waits for ever");
            }
            continue;
        }
        if (draw(world->plan.pauses) == 0) {
            next->asleep = draw(1000);
            continue;
        }
        world->quantum = draw_quantum();
        world->current = next;
        Flow::turn(world->engine, next->flow);
        world->current = nullptr;
        if (!world->off) {
            look(next->index);
        }
    }
}

void boot(void* table) {
    rumpk_core_main(static_cast<const hal*>(table));
}

} // namespace

bool pending(const Core& core) {
    return is_pending(core, Cause::device) || is_pending(core, Cause::message) ||
           is_pending(core, Cause::timer);
}

void take_interrupts() {
    for (Core& core = here(); !core.masked && !world->off && pending(core);) {
        take_one(core);
    }
}

void point() {
    if (world == nullptr || world->current == nullptr || world->looking != 0) {
        return;
    }
    World& w = *world;
    w.time += point_time;
    if (++w.points > w.plan.points) {
        fail("the run does not end");
    }
    if (w.quantum > 0) {
        --w.quantum;
    } else {
        Core& core = here();
        Flow::turn(core.flow, w.engine);
        w.current = &core;
    }
    take_interrupts();
}

int64_t call_on(HostStack& stack, int64_t (*function)(void*), void* argument) {
    struct Call {
        int64_t (*function)(void*);
        void* argument;
        int64_t result;
        Flow before, after;
    } call{function, argument, 0, {}, {}};
    Core& core = here();
    HostStack* const own = core.runs_on;
    call.before.set_stack(own);
    call.after.prepare(
        stack,
        [](void* what) {
            Call& mine = *static_cast<Call*>(what);
            mine.result = mine.function(mine.argument);
            Flow::go(mine.after, mine.before);
        },
        &call);
    core.runs_on = &stack;
    core.flow.set_stack(&stack);
    Flow::go(call.before, call.after);
    core.runs_on = own;
    core.flow.set_stack(own);
    return call.result;
}

void switch_off(uint32_t code) {
    world->off = true;
    world->code = code;
    Flow nowhere;
    nowhere.set_stack(here().runs_on);
    Flow::turn(nowhere, world->engine);
}

Looking::Looking() {
    ++world->looking;
    sanitizer::look_begins();
}

Looking::~Looking() {
    sanitizer::look_ends();
    --world->looking;
}

uint64_t now() {
    return world->time;
}

uint32_t this_core() {
    return here().index;
}

uint64_t draw(uint64_t limit) {
    return world->random() % limit;
}

bool settled(uint32_t core) {
    const Core& one = world->cores[core];
    return one.started && one.interrupts == 0 && (!one.masked || one.waiting);
}

bool waits(uint32_t core) {
    return world->cores[core].waiting;
}

void* local_of(uint32_t core) {
    return world->cores[core].local;
}

uint64_t timer_of(uint32_t core) {
    return world->cores[core].timer;
}

bool is_off() {
    return world->off;
}

void check(bool holds, const char* what) {
    if (!holds) {
        fail(what);
    }
}

void fail(const std::string& what) {
    std::fprintf(stderr, "seed %llu: %s (core %d, point %llu, %llu ns)\n%s",
                 static_cast<unsigned long long>(world->plan.seed), what.c_str(),
                 world->current != nullptr ? static_cast<int>(world->current->index) : -1,
                 static_cast<unsigned long long>(world->points), static_cast<unsigned long long>(world->time),
                 describe_fibers().c_str());
    for (const Core& core : world->cores) {
        if (core.started) {
            std::fprintf(stderr, "core %u: %s%s timer %lld, bell %lld\n", core.index,
                         core.masked ? "masked" : "unmasked", core.waiting ? ", waits," : ",",
                         static_cast<long long>(core.timer), static_cast<long long>(core.message));
        }
    }
    std::fprintf(stderr, "line: %s\nagain: simulation_test --seed %llu\n", world->console.output().c_str(),
                 static_cast<unsigned long long>(world->plan.seed));
    std::_Exit(1);
}

void run(const Plan& plan, const std::function<void(const Ending&)>& judge) {
    World fresh(plan);
    world = &fresh;
    forget_mappings();
    for (uint32_t i = 0; i < plan.cores; ++i) {
        fresh.cores[i].index = i;
        fresh.cores[i].weight = static_cast<uint32_t>(1 + draw(4));
    }
    static HostStack boot_stack;
    Core& first = fresh.cores[plan.boot_core];
    first.started = true;
    first.runs_on = &boot_stack;
    first.flow.prepare(boot_stack, boot, const_cast<hal*>(&make_table()));
    engine();
    sanitizer::all_ended();
    judge({fresh.code, fresh.console.output(), fresh.points});
    world = nullptr;
}

} // namespace rumpk::simulated
