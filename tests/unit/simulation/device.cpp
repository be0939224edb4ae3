// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/simulation/device.h"

#include <algorithm>

#include "abi/console.h"

#include "tests/unit/simulation/machine.h"

namespace rumpk::simulated {

void ConsoleDevice::pass_time() {
    // Nobody sends before the cell has said that it takes input.
    if (!opened_) {
        opened_ = output_.find({RUMPK_CONSOLE_DLE, RUMPK_CONSOLE_INPUT}, looked_) != std::string::npos;
        looked_ = output_.size() - std::min<size_t>(output_.size(), 1);
    } else if (arrived_ < input_.size() && draw(4) == 0) {
        arrived_ = std::min<uint64_t>(input_.size(), arrived_ + draw(8));
    }
    if (draw(2) == 0) {
        room_ = std::min<uint64_t>(64, room_ + draw(48));
    }
}

int64_t ConsoleDevice::read(uint8_t* buffer, uint64_t size) {
    const uint64_t count = std::min(size, arrived_ - taken_);
    std::copy_n(input_.begin() + static_cast<ptrdiff_t>(taken_), count, buffer);
    taken_ += count;
    wants_input_ = count < size;
    return static_cast<int64_t>(count);
}

int64_t ConsoleDevice::write(const uint8_t* buffer, uint64_t size) {
    const uint64_t count = std::min(size, room_);
    put(buffer, count);
    room_ -= count;
    wants_room_ = count < size;
    return static_cast<int64_t>(count);
}

} // namespace rumpk::simulated
