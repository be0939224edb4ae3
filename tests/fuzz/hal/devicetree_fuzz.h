// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>

#include "hal/devicetree/machine_tree.h"

inline void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

// Of a tree that was accepted: what the architecture's own part of the reader promises.
void check_machine(const rumpk::hal::MachineTree& machine);
