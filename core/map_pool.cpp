// SPDX-License-Identifier: Apache-2.0
#include "core/map_pool.h"

#include <algorithm>

namespace rumpk {

Result<AddressRange> MapPool::take(uint64_t bytes, Rights rights) {
    if (bytes == 0) {
        return error(Errno::inval);
    }
    if (bytes > area_.size) {
        return error(Errno::nomem);
    }
    const size_t wanted = align_up(bytes, page_size) / page_size;
    size_t found = 0; // free pages in a row that end before `at`
    for (size_t at = 0; at < pages_.size(); ++at) {
        found = pages_[at] == 0 ? found + 1 : 0;
        if (found == wanted) {
            const size_t first = at + 1 - wanted;
            std::ranges::fill(pages_.subspan(first, wanted), static_cast<uint8_t>(in_use | rights.bits()));
            return AddressRange{area_.base + first * page_size, wanted * page_size};
        }
    }
    return error(Errno::nomem);
}

void MapPool::set_rights(AddressRange range, Rights rights) {
    ensure(check(range, Rights{}).has_value());
    std::ranges::fill(pages_.subspan(index(range.base), range.size / page_size),
                      static_cast<uint8_t>(in_use | rights.bits()));
}

Result<void> MapPool::give(AddressRange range) {
    if (range.empty() || !range.base.is_aligned(page_size) || range.size % page_size != 0) {
        return error(Errno::inval);
    }
    if (auto mine = check(range, Rights{}); !mine) {
        return mine;
    }
    std::ranges::fill(pages_.subspan(index(range.base), range.size / page_size), uint8_t{0});
    return {};
}

Result<void> MapPool::check(AddressRange range, Rights rights) const {
    if (!area_.contains(range) || range.empty()) {
        return error(Errno::fault);
    }
    const size_t last = index(range.end() - 1);
    for (size_t at = index(range.base); at <= last; ++at) {
        const bool held = (pages_[at] & in_use) != 0 && (rights.bits() & ~uint32_t{pages_[at]}) == 0;
        if (!held) {
            return error(Errno::fault);
        }
    }
    return {};
}

} // namespace rumpk
