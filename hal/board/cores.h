// SPDX-License-Identifier: Apache-2.0
//
// Cores: who is who, start. See abi/hal.h for the table's functions.
#pragma once

#include <cstdint>

#include "hal/devicetree/machine_tree.h"

namespace rumpk::hal {

// The core that runs: a stack for faults, before anything can go wrong. [boot]
void cores_begin();
// Gives each hart of the tree its index; this one is tree.boot_hart. [boot]
void cores_name(const MachineTree& tree);
uint32_t cores_count();
// That were ever started, the boot core included.
uint32_t cores_started();

uint32_t core_index();
void core_local_set(void* local);
void* core_local();
int core_start(uint32_t core, void* stack_base, uint64_t stack_size);

} // namespace rumpk::hal
