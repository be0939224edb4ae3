// SPDX-License-Identifier: Apache-2.0
#include "hal/board/regions.h"

#include <algorithm>

namespace rumpk::hal {

bool Regions::touches(Region region) const {
    return std::ranges::any_of(
        all(), [=](const Region& one) { return one.base < region.end && region.base < one.end; });
}

bool Regions::covers(Region region) const {
    uint64_t at = region.base;
    for (const Region& one : all()) {
        if (one.base <= at && at < one.end) {
            at = one.end;
        }
    }
    return at >= region.end;
}

// Behind all others. One that goes on with the same rights is the same.
bool Regions::append(Region region) {
    if (region.base >= region.end || region.rights == 0) {
        return true;
    }
    if (count_ != 0) {
        Region& last = regions_[count_ - 1];
        if (last.end == region.base && last.rights == region.rights) {
            last.end = region.end;
            return true;
        }
    }
    if (count_ == most) {
        return false;
    }
    regions_[count_++] = region;
    return true;
}

// In the place of whatever is there. All or nothing.
int Regions::put(Region region) {
    Regions made;
    bool fits = true;
    for (const Region& one : all()) {
        fits = fits && made.append({one.base, std::min(one.end, region.base), one.rights});
    }
    fits = fits && made.append(region);
    for (const Region& one : all()) {
        fits = fits && made.append({std::max(one.base, region.end), one.end, one.rights});
    }
    if (!fits) {
        return -RUMPK_ENOMEM;
    }
    *this = made;
    return 0;
}

Region Regions::around(Region region) const {
    Region whole = region;
    for (const Region& one : all()) {
        if (one.base < region.end && region.base < one.end) {
            whole = {std::min(whole.base, one.base), std::max(whole.end, one.end), region.rights};
        }
    }
    return whole;
}

int Regions::map(Region region) {
    return touches(region) ? -RUMPK_EEXIST : put(region);
}

int Regions::change(Region region) {
    return covers(region) ? put(region) : -RUMPK_ENOENT;
}

} // namespace rumpk::hal
