// SPDX-License-Identifier: Apache-2.0
//
// The heavy barrier of a ring whose ends are threads of one process on Linux.
#pragma once

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/rings/duel.h"
#include "ion/memory.h"

namespace bench {

struct Membarrier {
    void operator()() const { syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0); }
    void relax() const { bench::relax(); }
    static bool available() {
        return syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
    }
};

using AcrossCores = ion::CrossCore<Membarrier>;

} // namespace bench
