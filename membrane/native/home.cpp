// SPDX-License-Identifier: Apache-2.0
#include "nexus/fiber.h"
#include "nexus/meta.h"
#include "start/process.h"

namespace nexus::detail {

constinit uint32_t home_tier = 0;

} // namespace nexus::detail

namespace nexus::call::detail {

bool is_at_home() {
    const rumpk_meta_self& home = nexus::detail::process.self;
    // Only the front: a question for more would have the times of all fibers counted.
    rumpk_meta_fiber caller;
    const auto front = std::as_writable_bytes(std::span(&caller, 1)).first(offsetof(rumpk_meta_fiber, state));
    return call::meta(RUMPK_META_FIBER, front) && caller.tier == home.home_tier &&
           caller.core == home.home_core;
}

} // namespace nexus::call::detail
