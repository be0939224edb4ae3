// SPDX-License-Identifier: Apache-2.0
// The pages that a cell's `map` may hand out: which are in use, with which
// rights. Keeps the books only; the caller maps. One cell's, changed masked and on
// its home core, a page at a time. What looks at many pages may be interrupted, and
// says how each was when it was looked at.
#pragma once

#include <span>

#include "core/types.h"

namespace rumpk {

class MapPool {
  public:
    static constexpr uint64_t page_size = 4096; // the ABI's, on every machine with pages

    // One byte of books a page, all zero; `area` is whole pages, as many.
    void prepare(AddressRange area, PhysAddr physical, std::span<uint8_t> pages) {
        area_ = area;
        physical_ = physical;
        pages_ = pages;
    }

    // Free pages in a row, the lowest. EINVAL: no bytes; ENOMEM: not so many in a
    // row. Cost: linear in the pool's pages.
    [[nodiscard]] Result<AddressRange> find(uint64_t bytes) const;
    // Takes a page, which then nobody may touch before it has rights. False: it is in use.
    [[nodiscard]] bool take(VirtAddr page);
    void set_rights(VirtAddr page, Rights rights);
    // Gives back a page in use.
    void give(VirtAddr page);
    // EFAULT: not all of the range is in use with these rights.
    [[nodiscard]] Result<void> check(AddressRange range, Rights rights) const;
    // Is it in use, with some rights? While it is being mapped it has none.
    [[nodiscard]] bool mapped(VirtAddr page) const { return pages_[index(page)] > in_use; }

    // Is it in use, even if it is not mapped yet?
    [[nodiscard]] bool taken(VirtAddr page) const { return pages_[index(page)] != 0; }

    [[nodiscard]] bool covers(AddressRange range) const { return area_.contains(range); }
    [[nodiscard]] PhysAddr physical(VirtAddr address) const { return physical_ + (address - area_.base); }
    [[nodiscard]] AddressRange area() const { return area_; }

  private:
    static constexpr uint8_t in_use = 0x80; // else the page is free and the byte 0
    [[nodiscard]] size_t index(VirtAddr address) const { return (address - area_.base) / page_size; }

    AddressRange area_{};
    PhysAddr physical_{};
    std::span<uint8_t> pages_; // in_use | rights
};

} // namespace rumpk
