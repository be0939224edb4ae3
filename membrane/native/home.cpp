// SPDX-License-Identifier: Apache-2.0
#include "nexus/meta.h"
#include "start/process.h"

namespace nexus::call::detail {

bool is_at_home() {
    const rumpk_meta_self& home = nexus::detail::process.self;
    const auto caller = meta_fiber();
    return caller && caller->tier == home.home_tier && caller->core == home.home_core;
}

} // namespace nexus::call::detail
