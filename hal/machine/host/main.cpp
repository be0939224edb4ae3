// SPDX-License-Identifier: Apache-2.0
// Boot of the machine that is a process: the table, and how it is filled.
#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "hal/arch/x86_64/context.h"
#include "hal/machine/host/arguments.h"
#include "hal/machine/host/clock.h"
#include "hal/machine/host/console.h"
#include "hal/machine/host/core.h"
#include "hal/machine/host/entry.h"
#include "hal/machine/host/image.h"
#include "hal/machine/host/interrupt.h"
#include "hal/machine/host/memory.h"
#include "hal/machine/host/message.h"
#include "hal/machine/host/stacks.h"

// The linker's: where the executable and its code begin and end.
extern "C" const char __executable_start[];
extern "C" const char etext[];

namespace rumpk::hal {
namespace {

constexpr uint64_t page = HAL_PAGE_SIZE;
constexpr uint64_t seed_size = 64;

uint8_t seed[seed_size];
struct hal_boot boot;

void start(const struct hal_events* told) {
    events = told;
}

void power_off(uint32_t code) {
    console_flush();
    _exit(static_cast<int>(code));
}

constinit const struct hal table = {
    .size = sizeof(struct hal),
    .reserved = 0,
    .boot = &boot,
    .user = nullptr,
    .views = nullptr,
    .start = start,
    .power_off = power_off,
    .core_index = core_index,
    .core_local_set = core_local_set,
    .core_local = core_local,
    .core_start = core_start,
    .core_wake = core_wake,
    .context_make = context_make,
    .context_switch = context_switch,
    .context_switch_unmask = context_switch_unmask,
    .context_leave = context_leave,
    .context_preempt = context_switch, // the interrupt entry has saved all the rest
    .call_on_stack = call_on_stack,
    .interrupts_mask = interrupts_mask,
    .interrupts_restore = interrupts_restore,
    .interrupts_wait = interrupts_wait,
    .interrupt_stack = interrupt_stack,
    .now = now,
    .ticks = now,
    .ticks_ns = [](uint64_t ticks) { return ticks; },
    .timer_set = timer_set,
    .device_enable = device_enable,
    .device_done = device_done,
    .map = map,
    .protect = protect,
    .unmap = unmap,
    .code_written = code_written,
    .console_read = console_read,
    .console_write = console_write,
    .console_put = console_put,
    .console_request = console_request,
    .console_flush = console_flush,
};

// A descriptor below 3 that the parent left closed would be the next file we open, and our
// output would go there.
void descriptors_make() {
    for (int descriptor = 0; descriptor < 3; descriptor++) {
        if (fcntl(descriptor, F_GETFD) < 0 && open("/dev/null", O_RDWR) != descriptor) {
            _exit(127);
        }
    }
}

char* text_make(size_t size) {
    void* text = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (text == MAP_FAILED) {
        die_errno("no memory for arguments");
    }
    return static_cast<char*>(text);
}

void boot_fill(const Arguments& arguments, const char* text, const Image& image) {
    bool seeded = getrandom(seed, sizeof(seed), GRND_NONBLOCK) == static_cast<ssize_t>(sizeof(seed));
    boot = {
        .machine = RUMPK_MACHINE,
        .arch = RUMPK_ARCH,
        .cores = arguments.cores,
        .boot_core = 0,
        .elf_machine = EM_X86_64,
        .interrupt_stack_size = interrupt_stack_size(),
        .features = RUMPK_FEATURE_MMU,
        .memory_total = arguments.memory,
        .memory_base = memory_base + page,
        .memory_size = arguments.memory - page,
        .direct_map = memory_view - memory_base,
        .systable_physical = memory_base,
        .systable_address = RUMPK_SYSTABLE_ADDRESS,
        .image = image.table,
        .image_size = image.size,
        .arguments = text,
        .seed = seed,
        .seed_size = seeded ? seed_size : 0,
        .wall_offset = clock_wall_offset(),
        .console_line = console_line,
        .console_channels = 1,
        .kernel_text_base = reinterpret_cast<uint64_t>(__executable_start),
        .kernel_text_end = reinterpret_cast<uint64_t>(etext),
        .frame_previous = x86_64::frame_previous,
        .frame_return = x86_64::frame_return,
        .table_span = RUMPK_WINDOW_SIZE, // the host's kernel has them
        .timer = "timer_create",
        .virtio = nullptr,
        .virtio_count = 0,
    };
}

} // namespace
} // namespace rumpk::hal

int main(int count, char** values) {
    using namespace rumpk::hal;
    descriptors_make();
    clock_start(); // reset is now
    char* text = text_make(arguments_size(count, values));
    Arguments arguments = arguments_read(count, values, text);
    if (arguments.wrong != nullptr) {
        die(arguments.wrong, arguments.takes);
    }
    Image image = image_find();
    memory_make(arguments.memory);
    vector_state_measure(); // before the first interrupt
    interrupts_install();   // before any core can be interrupted
    cores_make(arguments.cores);
    console_make(arguments.telemetry);
    boot_fill(arguments, text, image);
    rumpk_core_main(&table);
}
