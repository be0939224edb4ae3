// SPDX-License-Identifier: Apache-2.0
// Accesses of the kernel's own that are meant to fault, each as a context of its own (contract.h, faults).
#ifndef RUMPK_TESTS_CONTRACT_ACCESSES_H
#define RUMPK_TESTS_CONTRACT_ACCESSES_H

#include "tests/contract/contract.h"

namespace contract {

void read_at(void* address);
void write_at(void* address);
void call_at(void* address);
void* at(uint64_t address);

// It faults, and the report is right.
void expect_bad_access(void (*access)(void*), uint64_t address);
void expect_bad_call(uint64_t address);

} // namespace contract

#endif
