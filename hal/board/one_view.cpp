// SPDX-License-Identifier: Apache-2.0
//
// In views.cpp's place where a kernel runs one cell.
#include "hal/board/memory.h"

constinit const bool rumpk::hal::has_views = false;
