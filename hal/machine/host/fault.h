// SPDX-License-Identifier: Apache-2.0
// Faults: signals that the running code itself has caused.
#ifndef RUMPK_HAL_MACHINE_HOST_FAULT_H
#define RUMPK_HAL_MACHINE_HOST_FAULT_H

#include <signal.h>

namespace rumpk::hal {

void faults_install();

// The mask of every handler here: all signals wait but those of faults, which cannot.
void faults_only_unblocked(sigset_t* mask);

} // namespace rumpk::hal

#endif
