// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "abi/hal.h"
#include "hal/devicetree/machine_tree.h"

namespace rumpk::hal {

// Filled by boot.cpp before core/ begins.
extern hal_boot boot_facts;
extern MachineTree machine_tree;

extern const struct hal hal_table;

} // namespace rumpk::hal
