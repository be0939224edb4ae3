// SPDX-License-Identifier: Apache-2.0
//
// Which memory is free: memory less what is taken, in whole pages.
#pragma once

#include "abi/hal.h"
#include "hal/devicetree/range.h"

namespace rumpk::hal {

class MemoryMap {
  public:
    // Disjoint, page aligned. False: the list is full.
    [[nodiscard]] bool add_memory(AddressRange range) { return memory_.add(range); }

    // Rounded outward to whole pages; may overlap others or lie outside memory. False: the list is full.
    [[nodiscard]] bool reserve(AddressRange range);

    // The free block at or above `from`, lowest first; size 0: there is none. Blocks are page
    // aligned and as large as can be; begin with 0 and go on with each block's end().
    AddressRange next_free(uint64_t from) const;

    AddressRange largest_free() const;

    // Bytes of memory, taken or not.
    uint64_t total() const;

    // One block of memory holds all of it, taken or not.
    bool holds(AddressRange range) const;

  private:
    AddressRange free_in(AddressRange memory) const;

    ShortList<AddressRange, 8> memory_;
    ShortList<AddressRange, 40> reserved_;
};

} // namespace rumpk::hal
