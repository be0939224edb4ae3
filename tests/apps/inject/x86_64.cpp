// SPDX-License-Identifier: Apache-2.0
// What the attacker knows of this processor, and of the kernel.
#include "tests/apps/attack/x86_64.cpp" // NOLINT(bugprone-suspicious-include)
