// SPDX-License-Identifier: Apache-2.0
#include "hal/arch/riscv64/machine/protection.h"

#include <span>

namespace rumpk::hal {

namespace {

// pmpcfg, 3.7.1: rights, and how the address is meant
static_assert(HAL_MAP_READ == 1 << 0 && HAL_MAP_WRITE == 1 << 1 && HAL_MAP_EXEC == 1 << 2);
constexpr uint8_t rights_mask = HAL_MAP_READ | HAL_MAP_WRITE | HAL_MAP_EXEC;
constexpr uint8_t up_to_here = 1 << 3;   // TOR: from the address of the entry before
constexpr uint8_t power_of_two = 3 << 3; // NAPOT

bool is_power_of_two(const Region& region) {
    const uint64_t size = region.end - region.base;
    return (size & (size - 1)) == 0 && region.base % size == 0;
}

class Writer {
  public:
    explicit Writer(Entries& entries) : entries_(entries) {}

    void whole(const Region& region) {
        const uint64_t size = region.end - region.base;
        put(region.base >> PMP_SHIFT | (size / 2 - 1) >> PMP_SHIFT, power_of_two, region.rights);
    }
    void from(uint64_t base) { put(base >> PMP_SHIFT, 0, 0); }
    void up_to(const Region& region) { put(region.end >> PMP_SHIFT, up_to_here, region.rights); }
    bool fits() const { return next_ <= ENTRIES; }

  private:
    void put(uint64_t address, uint8_t kind, uint32_t rights) {
        if (next_ < ENTRIES) {
            entries_.address[next_] = address;
            entries_.config[next_] = static_cast<uint8_t>(kind | (rights & rights_mask));
        }
        ++next_;
    }

    Entries& entries_;
    uint32_t next_ = 1; // the first is the guard
};

} // namespace

// Regions that touch share their limits: n of them take n + 1 entries. One by itself takes two, or one where
// its size is a power of two and it is aligned so, and then so do several that are all like that.
bool make_entries(const Regions& regions, Entries& entries) {
    entries = {};
    entries.config[0] = power_of_two;
    Writer writer(entries);
    std::span<const Region> left = regions.all();
    while (!left.empty()) {
        size_t chain = 1;
        bool powers = is_power_of_two(left[0]);
        for (; chain < left.size() && left[chain].base == left[chain - 1].end; ++chain) {
            powers = powers && is_power_of_two(left[chain]);
        }
        if (!powers) {
            writer.from(left[0].base);
        }
        for (const Region& region : left.first(chain)) {
            powers ? writer.whole(region) : writer.up_to(region);
        }
        left = left.subspan(chain);
    }
    return writer.fits();
}

} // namespace rumpk::hal
