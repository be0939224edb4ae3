// SPDX-License-Identifier: Apache-2.0
#include "core/map_pool.h"

namespace rumpk {

Result<AddressRange> MapPool::find(uint64_t bytes) const {
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
            return AddressRange{area_.base + (at + 1 - wanted) * page_size, wanted * page_size};
        }
    }
    return error(Errno::nomem);
}

bool MapPool::take(VirtAddr page) {
    uint8_t& books = pages_[index(page)];
    const bool free = books == 0;
    books |= in_use;
    return free;
}

void MapPool::set_rights(VirtAddr page, Rights rights) {
    ensure(pages_[index(page)] != 0);
    pages_[index(page)] = static_cast<uint8_t>(in_use | rights.bits());
}

void MapPool::give(VirtAddr page) {
    ensure(pages_[index(page)] != 0);
    pages_[index(page)] = 0;
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
