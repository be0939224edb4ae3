// SPDX-License-Identifier: Apache-2.0
//
// What programs at user privilege may touch, on a board that protects memory by a few regions
// and translates no address. Only the books: how a processor is told is its architecture's.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "abi/hal.h"

namespace rumpk::hal {

struct Region {
    uint64_t base;
    uint64_t end; // exclusive
    uint32_t rights;
};

class Regions {
  public:
    // By address, disjoint; neighbours that touch differ in rights.
    std::span<const Region> all() const { return {regions_.data(), count_}; }

    // 0; -EEXIST: something is there; -ENOMEM: they would be too many.
    [[nodiscard]] int map(Region region);
    // Other rights for a part; none: it is taken away. 0; -ENOENT: not all of it is there; -ENOMEM.
    [[nodiscard]] int change(Region region);
    // Whatever is there of it is taken away. 0; -ENOMEM.
    [[nodiscard]] int take(Region region) { return put({region.base, region.end, 0}); }
    // It, and all of those that it touches.
    [[nodiscard]] Region around(Region region) const;

  private:
    static constexpr uint32_t most = 15;

    bool covers(Region region) const;
    bool touches(Region region) const;
    int put(Region region);
    bool append(Region region);

    std::array<Region, most> regions_{};
    uint32_t count_ = 0;
};

} // namespace rumpk::hal
