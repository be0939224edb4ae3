// SPDX-License-Identifier: Apache-2.0
// What the attacker knows of this processor, and of the kernel.
#include "tests/apps/attack/riscv64.cpp" // NOLINT(bugprone-suspicious-include)
