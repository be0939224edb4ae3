// SPDX-License-Identifier: Apache-2.0
// Compiled once for each choice of parts: cmake/RumpkKernel.cmake says which.
#include "core/parts.h"

namespace rumpk::parts {

const bool cores = RUMPK_PART_CORES;
const bool budgets = RUMPK_PART_BUDGETS;
const bool trace = RUMPK_PART_TRACE;
const bool cells = RUMPK_PART_CELLS;
const bool restart = RUMPK_PART_RESTART;
const bool views = RUMPK_PART_VIEWS;
const bool shares = RUMPK_PART_SHARES;
const bool managers = RUMPK_PART_MANAGERS;

} // namespace rumpk::parts
