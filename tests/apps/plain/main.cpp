// SPDX-License-Identifier: Apache-2.0
//
// What a cell answers that was given one core, no budget and no trace, whichever parts its kernel has.
#include <nexus/fiber.h>
#include <nexus/meta.h>

#include "tests/apps/check.h"

namespace {

int error_of(const nexus::Result<nexus::FiberId>& spawned) {
    return spawned ? 0 : static_cast<int>(spawned.error());
}

int spawn_on(uint32_t core, uint32_t budget = 0) {
    return error_of(nexus::spawn([](uint64_t) {}, 0, {.core = core, .bare = true, .budget = budget}));
}

} // namespace

int main() {
    const uint32_t cores = nexus::meta_system()->cores;
    const uint32_t home = nexus::meta_self()->home_core;
    test::equal("spawn on the own core", spawn_on(home), 0);
    for (uint32_t core = 0; core < cores; ++core) {
        if (core != home) {
            test::equal("spawn on another core", spawn_on(core), RUMPK_EPERM);
        }
    }
    test::equal("spawn on no core", spawn_on(cores), RUMPK_EINVAL);
    test::equal("spawn with a budget", spawn_on(home, 1), RUMPK_EINVAL);
    test::equal("a budget by name", static_cast<int>(nexus::budget("video").error()), RUMPK_ENOENT);
    test::equal("a barrier",
                nexus::call::yield(0, 0, 0, RUMPK_YIELD_NOWAIT | RUMPK_YIELD_BARRIER).has_value(), 1);
    return test::result();
}
