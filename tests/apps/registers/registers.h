// SPDX-License-Identifier: Apache-2.0
//
// All registers of floating point at once.
#pragma once

#include "tests/apps/registers/aarch64.h"
#include "tests/apps/registers/riscv64.h"
#include "tests/apps/registers/x86_64.h"

namespace registers {

inline constexpr uint64_t secret = 0x5ec2e75ec2e75ec2;

} // namespace registers
