// SPDX-License-Identifier: Apache-2.0
//
// Ranges of physical addresses, and short lists of fixed capacity: what the
// device tree is read into. Nothing here touches memory or hardware.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rumpk::hal {

// Physical addresses [base, base + size). Whoever makes one checks that the end does not wrap.
struct AddressRange {
    uint64_t base = 0;
    uint64_t size = 0;

    constexpr uint64_t end() const { return base + size; }
    constexpr bool contains(AddressRange other) const { return other.base >= base && other.end() <= end(); }
    constexpr bool overlaps(AddressRange other) const { return base < other.end() && other.base < end(); }
};

// Up to Capacity items in place; add says false when it is full.
template <class Item, size_t Capacity>
class ShortList {
  public:
    constexpr bool add(Item item) {
        if (count_ == Capacity) {
            return false;
        }
        items_[count_++] = item;
        return true;
    }
    constexpr size_t size() const { return count_; }
    constexpr bool full() const { return count_ == Capacity; }
    constexpr Item& operator[](size_t index) { return items_[index]; }
    constexpr const Item& operator[](size_t index) const { return items_[index]; }
    constexpr Item* begin() { return items_; }
    constexpr Item* end() { return items_ + count_; }
    constexpr const Item* begin() const { return items_; }
    constexpr const Item* end() const { return items_ + count_; }
    constexpr void truncate(size_t count) { count_ = count; }

  private:
    Item items_[Capacity] = {};
    size_t count_ = 0;
};

} // namespace rumpk::hal
