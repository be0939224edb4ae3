// SPDX-License-Identifier: Apache-2.0
//
// User privilege: making the gate. All else is the architecture's, user.S.
#include <algorithm>
#include <array>
#include <cstddef>

#include "abi/call.h"
#include "hal/board/arch.h"
#include "hal/board/layout.h"
#include "hal/board/memory.h"
#include "hal/board/table.h"

static_assert(CALLS == RUMPK_CALL_COUNT && CALL_NUMBER_HALT == RUMPK_CALL_HALT);
static_assert(SCOPE_FIBER == RUMPK_SCOPE_FIBER && GATE_CLOCK_MONOTONIC == RUMPK_CLOCK_MONOTONIC &&
              GATE_CLOCK_WALL == RUMPK_CLOCK_WALL);
static_assert(ERROR_NODEV == RUMPK_ENODEV && ERROR_INVAL == RUMPK_EINVAL && ERROR_NOSYS == RUMPK_ENOSYS);
static_assert(PAGE_SIZE == HAL_PAGE_SIZE);

extern "C" {
extern const std::byte hal_gate[];      // a stub for each call, of one size
extern const std::byte hal_gate_halt[]; // behind them: where a fiber's function returns to
extern const std::byte hal_gate_time[];
extern const std::byte hal_gate_clock[];
extern const std::byte hal_gate_end[];

// By number: what the trap entry calls.
constinit std::array<uint64_t, RUMPK_CALL_COUNT> hal_user_calls = {};

void hal_user_enter(uint64_t entry, uint64_t argument, uint64_t user_stack, uint64_t kernel_stack,
                    uint64_t guard, uint64_t view);
}

namespace rumpk::hal {

namespace {

int make_gate(uint64_t* calls) {
    const uint64_t frame = memory_take_gate();
    if (frame == 0) {
        return -RUMPK_ENOMEM;
    }
    auto* const page = reinterpret_cast<std::byte*>(frame); // the kernel's own memory stands where it is
    std::fill_n(page, HAL_PAGE_SIZE, std::byte{0});
    std::copy(hal_gate, hal_gate_end, page);
    auto* const kept = reinterpret_cast<uint64_t*>(page + (hal_gate_clock - hal_gate));
    kept[0] = clock.whole();
    kept[1] = clock.fraction();
    kept[2] = static_cast<uint64_t>(boot_facts.wall_offset);
    std::copy_n(calls, hal_user_calls.size(), hal_user_calls.begin());
    const uint64_t stub_size = static_cast<uint64_t>(hal_gate_halt - hal_gate) / RUMPK_CALL_COUNT;
    for (uint64_t number = 0; number < RUMPK_CALL_COUNT; ++number) {
        calls[number] = gate_address + number * stub_size;
    }
    calls[RUMPK_CALL_TIME] = gate_address + static_cast<uint64_t>(hal_gate_time - hal_gate);
    if (!memory_map_gate(frame)) {
        return -RUMPK_ENOMEM;
    }
    code_written(gate_address, HAL_PAGE_SIZE);
    return 0;
}

} // namespace

} // namespace rumpk::hal

extern "C" constinit const struct hal_user hal_user_table = {
    .make_gate = rumpk::hal::make_gate,
    .enter = hal_user_enter,
};
