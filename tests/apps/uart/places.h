// SPDX-License-Identifier: Apache-2.0
//
// Where the kernel puts the registers of the console's port: RUMPK_WINDOW_CHANNELS of abi/image.h, in the
// driver's window, behind seven pages of the ring to it, one of the ring from it, and one of the device's.
// Where nothing is translated they are where they are.
#pragma once

#include <cstdint>

#include <nexus/call.h>

namespace uart {

constexpr uint64_t registers =
    RUMPK_WINDOWS_ARE_MEMORY != 0 ? 0x10000000 : RUMPK_WINDOW_A + RUMPK_WINDOW_SIZE + 0x07f80000 + 9 * 0x1000;

} // namespace uart
