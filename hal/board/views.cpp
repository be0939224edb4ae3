// SPDX-License-Identifier: Apache-2.0
//
// Views where addresses are translated: a map for each window, of which the kernel's part is common to all.
#include "hal/board/arch.h"
#include "hal/board/memory.h"

namespace rumpk::hal {

constinit const bool has_views = true;

namespace {

// Tag 0 is that of the map before there were views.
int make(uint32_t window, uint32_t tagged, uint64_t* view) {
    const uint64_t root = memory_make_view(window);
    if (root == 0) {
        return -RUMPK_ENOMEM;
    }
    *view = translation_view(root, tagged != 0 ? window + 1 : 0);
    return 0;
}

uint64_t flushes() {
    return this_core().view_flushes;
}

} // namespace

} // namespace rumpk::hal

extern "C" constinit const struct hal_views hal_views_table = {
    .make = rumpk::hal::make,
    .show = rumpk::hal::memory_show_in_view,
    .flushes = rumpk::hal::flushes,
};
