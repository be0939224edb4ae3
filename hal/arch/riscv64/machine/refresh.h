// SPDX-License-Identifier: Apache-2.0
//
// What every hart has to do itself when memory's rights or code have changed: load the entries of
// protection, FENCE.I. Who asks for it waits until all have.
#pragma once

#include "hal/board/core.h"

namespace rumpk::hal {

// The core is about to be started: from here on it is waited for.
void refresh_expects(const Core& core);
// This core, in its software interrupt: if somebody has asked. [masked]
void refresh_if_asked();

} // namespace rumpk::hal
