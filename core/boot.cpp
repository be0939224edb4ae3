// SPDX-License-Identifier: Apache-2.0
// The core's boot, as a list: each step with its reason, the last does not return. Nothing in this file is on
// the way of an interrupt or of a fiber: it may be built without frame pointers (core/CMakeLists.txt).
#include <algorithm>
#include <array>

#include "abi/console.h"
#include "core/boot_cores.h"
#include "core/boot_table.h"
#include "core/calls.h"
#include "core/cell.h"
#include "core/channels.h"
#include "core/console.h"
#include "core/devices.h"
#include "core/events.h"
#include "core/fiber_start.h"
#include "core/heartbeat.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/panic.h"
#include "core/remote.h"
#include "core/shares.h"
#include "core/supervisor.h"
#include "core/system.h"

namespace rumpk {

namespace {

constexpr uint64_t console_stack_size = 4096;

BootOptions the_options;
std::array<char, 64> the_version;
size_t the_version_size = 0;

// What `--verbose` shows: what the HAL found and what boot made of it.
void say_machine() {
    const hal_boot& boot = *machine().boot;
    print_verbose("machine %s (%s): %lu cores, this is %lu; %lu MiB of memory", boot.machine, boot.arch,
                  uint64_t{boot.cores}, uint64_t{boot.boot_core}, boot.memory_total >> 20);
    print_verbose("free memory at 0x%016lx, %lu KiB; boot table of %lu bytes; %s", boot.memory_base,
                  boot.memory_size >> 10, boot.image_size, boot.seed_size != 0 ? "seeded" : "no entropy");
    print_verbose("timer %s; virtio transports: %lu", boot.timer, uint64_t{boot.virtio_count});
}

void say_cell(const Cell& cell) {
    print_verbose("cell %.*s: window at 0x%08lx, heap 0x%08lx to 0x%08lx, %lu fibers, tier %lu",
                  RUMPK_TEXT(cell.name()), cell.window().base.value(), cell.heap().base.value(),
                  cell.heap().end().value(), uint64_t{cell.fiber_slots()},
                  static_cast<uint64_t>(cell.home_tier()));
}

void prepare_console() {
    const hal_boot& boot = *machine().boot;
    the_options = parse_options(boot.arguments != nullptr ? boot.arguments : "");
    console().prepare(the_options.console_framed);
    log_prepare(the_options.log_verbose);
    the_version_size = Line(the_version).format("rumpk " RUMPK_VERSION " %s", boot.machine).view().size();
    say_machine();
    if (the_options.unknown_count != 0) {
        stop_boot("unknown boot option %.*s", RUMPK_TEXT(the_options.unknown));
    }
}

BootTable read_boot_table() {
    const hal_boot& boot = *machine().boot;
    const std::span image{static_cast<const std::byte*>(boot.image), boot.image_size};
    const auto table = BootTable::read(image);
    if (!table) {
        stop_boot("bad image: %s", describe(table.error()));
    }
    return *table;
}

// Written here, once; then shown read-only at its fixed address.
void write_system_table(const BootTable& table, const Cell& first) {
    const hal_boot& boot = *machine().boot;
    auto& systable =
        *reinterpret_cast<rumpk_systable*>(boot_memory().touch(PhysAddr{boot.systable_physical}));
    systable = {};
    systable.magic = RUMPK_SYSTABLE_MAGIC;
    systable.size = RUMPK_SYSTABLE_SIZE;
    systable.abi = RUMPK_ABI_VERSION;
    systable.features = boot.features | (parts::cells ? RUMPK_FEATURE_GATED : 0) |
                        (cores_in_use() > 1 ? RUMPK_FEATURE_SMP : 0);
    auto entry = [&](rumpk_call_number which, auto* function) {
        systable.call[which] = reinterpret_cast<uintptr_t>(function);
    };
    entry(RUMPK_CALL_PLEDGE, rumpk_call_pledge);
    entry(RUMPK_CALL_UNVEIL, rumpk_call_unveil);
    entry(RUMPK_CALL_READ, rumpk_call_read);
    entry(RUMPK_CALL_WRITE, rumpk_call_write);
    entry(RUMPK_CALL_MAP, rumpk_call_map);
    entry(RUMPK_CALL_UNMAP, rumpk_call_unmap);
    entry(RUMPK_CALL_SPAWN, rumpk_call_spawn);
    entry(RUMPK_CALL_KILL, rumpk_call_kill);
    entry(RUMPK_CALL_YIELD, rumpk_call_yield);
    entry(RUMPK_CALL_TIME, rumpk_call_time);
    entry(RUMPK_CALL_RANDOM, rumpk_call_random);
    entry(RUMPK_CALL_HALT, rumpk_call_halt);
    entry(RUMPK_CALL_META, rumpk_call_meta);
    if (parts::restart) {
        hear_calls(table, systable.call);
    }
    for (const rumpk_boot_ring which : {RUMPK_RING_RX, RUMPK_RING_TX, RUMPK_RING_EVENT}) {
        systable.ring[which] = first.describe_boot_ring(which);
        systable.ring[which].base -= parts::views ? first.id().value() * RUMPK_WINDOW_SIZE : 0;
    }
    if (parts::cells && machine().user->make_gate(systable.call) < 0) {
        stop_boot("the cells' gate cannot be made");
    }
    if (machine().map(boot.systable_address, boot.systable_physical, HAL_PAGE_SIZE, mapped_with(right_read)) <
        0) {
        stop_boot("the SysTable's address cannot be mapped");
    }
}

void prepare_cells(const BootTable& table) {
    const bool good = table.fused() ? !parts::cells : parts::cells || parts::views;
    if (!good || (table.cell_count() != 1 && !parts::views)) {
        stop_boot(parts::views   ? "bad image: this kernel runs celled images"
                  : parts::cells ? "bad image: this kernel runs celled images of one cell"
                                 : "bad image: this kernel runs fused images of one cell");
    }
    const std::span<Cell> all = boot_memory().take_objects<Cell>(table.cell_count(), "cells");
    cells_set(all);
    for (uint32_t i = 0; i < table.cell_count(); ++i) {
        all[i].prepare(table.cell(i), i == table.console());
        say_cell(all[i]);
    }
    if (parts::views) {
        prepare_channels(table);
    }
    if (parts::views && parts::shares) {
        prepare_shares(table);
    }
    if (parts::managers) {
        grant_cells(table);
    }
    write_system_table(table, all[0]);
}

// A cell that is apart, or beside others, or may begin anew, has one.
void start_supervisors(const BootTable& table) {
    for (uint32_t i = 0; parts::supervisors() && i < table.cell_count(); ++i) {
        if (!table.fused() || table.supervisor(i).policy != RUMPK_RESTART_NEVER) {
            Supervisor& supervisor = boot_memory().take_objects<Supervisor>(1, "supervisor")[0];
            supervisor.prepare(cells()[i], table.cell(i), table.supervisor(i));
        }
    }
}

// Drivers run above the applications' home tiers: what they move is what
// everybody waits for.
void start_console(const BootTable& table) {
    Fiber& fiber = boot_memory().take_objects<Fiber>(1, "console")[0];
    fiber.tier = Tier::matter;
    fiber.core = this_scheduler().core();
    fiber.stack = kernel_stack(console_stack_size, "console stack");
    std::copy_n("console", 7, fiber.name);
    console().attach(fiber, cells()[table.console()]);
    machine().context_make(&fiber.context, fiber.stack.pointer(), fiber.stack.size, run_console, nullptr);
    this_scheduler().begin(fiber);
    if (machine().device_enable(machine().boot->console_line) < 0) {
        stop_boot("the console has no interrupt");
    }
}

// The cells' devices, each granted to the one that its image names.
void start_cells_devices(const BootTable& table) {
    if (parts::views) {
        start_devices(table);
    }
}

void say_ready() {
    const hal_boot& boot = *machine().boot;
    const uint64_t tenths = (machine().now() + 50'000) / 100'000; // of a millisecond
    print(RUMPK_VERSION " %s ready in %lu.%lu ms (%lu %s, %lu MiB free)", boot.machine, tenths / 10,
          tenths % 10, uint64_t{cores_in_use()}, cores_in_use() == 1 ? "core" : "cores",
          boot_memory().unused() >> 20);
}

} // namespace

const struct hal* machine_table = nullptr;

const BootOptions& boot_options() {
    return the_options;
}

std::string_view version_line() {
    return {the_version.data(), the_version_size};
}

} // namespace rumpk

// Everything here runs on the boot core, masked, until the scheduler takes over.
void rumpk_core_main(const struct hal* table) {
    using namespace rumpk;
    machine_table = table;            //  1. the only way to the hardware
    if (table->size != sizeof(hal)) { //  2. both halves come from one build
        table->power_off(RUMPK_EXIT_PANIC);
    }
    prepare_console();                   //  3. from here on the kernel can say what is wrong
    boot_memory().prepare(*table->boot); //  4. who wants memory takes it from here, and only until step 13
    const BootTable image = read_boot_table(); // 5. what is there to run
    prepare_cores(image);                      //  6. fibers can be made ready, none runs yet
    prepare_cells(image);                      //  7. memory, program, rings, first fiber; then the SysTable
    table->start(&events_of_core);             //  8. interrupts have somewhere to go; still masked
    start_console(image);                      //  9. the driver that moves stdin and stdout
    start_cells_devices(image);                // 10. what drivers that are cells drive
    start_supervisors(image);                  // 11. who deals with a cell's end
    start_other_cores();                       // 12. they run what this one gives them
    boot_memory().seal();                      // 13. nobody gets memory any more
    say_ready();                               // 14. the one line a quiet kernel prints
    console().port().hand_over();              // 15. what the kernel says from here on its driver prints, if
                                               //     that is a cell
    this_scheduler().run();                    // 16. this context becomes the idle one
}
