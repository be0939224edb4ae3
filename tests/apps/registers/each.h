// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

// An instruction for each of 32 registers, n its number.
#define REGISTERS_EACH(do) REGISTERS_LOWER(do) REGISTERS_UPPER(do)
#define REGISTERS_LOWER(do) ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n" do "\n.endr\n"
#define REGISTERS_UPPER(do)                                                                                  \
    ".irp n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n" do "\n.endr\n"
