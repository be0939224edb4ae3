// SPDX-License-Identifier: Apache-2.0
//
// The HAL as core/ sees it.
#include "hal/board/table.h"

#include "hal/board/arch.h"
#include "hal/board/cores.h"
#include "hal/board/memory.h"

namespace rumpk::hal {

constinit const struct hal hal_table = {
    .size = sizeof(struct hal),
    .reserved = 0,
    .boot = &boot_facts,
    .user = &hal_user_table,
    .views = &hal_views_table,

    .start = start,
    .power_off = power_off,

    .core_index = core_index,
    .core_local_set = core_local_set,
    .core_local = core_local,
    .core_start = core_start,
    .core_wake = core_wake,

    .context_make = context_make,
    .context_switch = hal_context_switch,
    .context_switch_unmask = hal_context_switch_unmask,
    .context_leave = hal_context_leave,
    .context_preempt = hal_context_preempt,
    .call_on_stack = hal_call_on_stack,

    .interrupts_mask = interrupts_mask,
    .interrupts_restore = interrupts_restore,
    .interrupts_wait = interrupts_wait,
    .interrupt_stack = interrupt_stack,

    .now = now,
    .ticks = ticks,
    .ticks_ns = ticks_ns,
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
    .console_request = [] { return uint32_t{0}; }, // it comes with the other bytes
    .console_flush = console_flush,
};

} // namespace rumpk::hal
