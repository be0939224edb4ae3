// SPDX-License-Identifier: Apache-2.0
#include "tests/apps/attack/kernel.h"

#if defined(__x86_64__)

// Nothing keeps a cell apart in a process: this program is built for it and never run.
constinit const Kernel kernel = {};

#endif
