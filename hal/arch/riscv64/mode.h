/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The privileged mode that the kernel is built for: RUMPK_RISCV64_MODE of machine.cmake.
 * Beside these names, what differs between the two is in their folders, behind platform.h.
 */
#ifndef RUMPK_RISCV64_MODE_H
#define RUMPK_RISCV64_MODE_H

#if RUMPK_MACHINE_MODE
#include "hal/arch/riscv64/machine/mode.h"
#else
#include "hal/arch/riscv64/supervisor/mode.h"
#endif

#endif
