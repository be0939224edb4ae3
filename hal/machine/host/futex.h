// SPDX-License-Identifier: Apache-2.0
// futex(2): how the threads of this machine sleep without a wake-up to spare.
#ifndef RUMPK_HAL_MACHINE_HOST_FUTEX_H
#define RUMPK_HAL_MACHINE_HOST_FUTEX_H

#include <atomic>
#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace rumpk::hal {

// Sleeps while the word holds `value`. May return early: look again.
inline void futex_wait(std::atomic<uint32_t>& word, uint32_t value) {
    syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

// Ends the sleep of all who wait for the word.
inline void futex_wake(std::atomic<uint32_t>& word) {
    syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr,
            0);
}

} // namespace rumpk::hal

#endif
