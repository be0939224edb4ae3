// SPDX-License-Identifier: Apache-2.0
//
// Where the kernel puts a driver's registers: RUMPK_WINDOW_CHANNELS of abi/image.h, in the driver's window,
// behind the two channels on which it sends, the device's ring and its memory, a page each. Where nothing is
// translated they are where they are: QEMU's first virtio device is behind the last of its eight transports.
#pragma once

#include <cstdint>

#include <nexus/call.h>

namespace rng {

constexpr uint64_t registers =
    RUMPK_WINDOWS_ARE_MEMORY != 0 ? 0x10008000 : RUMPK_WINDOW_A + RUMPK_WINDOW_SIZE + 0x07f80000 + 4 * 0x1000;

} // namespace rng
