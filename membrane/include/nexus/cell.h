// SPDX-License-Identifier: Apache-2.0
//
// Other cells that this one manages, as the image's rumpk.toml says: it lets them begin, and ends them.
#pragma once

#include <string_view>

#include "nexus/meta.h"

namespace nexus {

class ManagedCell {
  public:
    // ENOENT: the image lets this cell manage none of that name.
    [[nodiscard]] static Result<ManagedCell> open(std::string_view name) {
        for (uint32_t slot = 0; slot < RUMPK_CAP_SLOTS; ++slot) {
            const auto one = detail::meta<rumpk_meta_cell>(RUMPK_META_CELL, slot);
            if (one && name == reinterpret_cast<const char*>(one->name)) {
                return ManagedCell(slot);
            }
        }
        return error(Errno::noent);
    }

    // Does it wait, live, or has it ended, and how often has it begun anew?
    [[nodiscard]] Result<rumpk_meta_cell> facts() const {
        return detail::meta<rumpk_meta_cell>(RUMPK_META_CELL, slot_);
    }

    // It has waited for that (`start = false`). EBUSY: it has not.
    [[nodiscard]] Result<void> begin() const {
        rumpk_spawn_args args{};
        args.size = sizeof args;
        args.flags = RUMPK_SPAWN_CELL;
        args.entry = slot_;
        const auto begun = call::spawn(args);
        return begun ? Result<void>{} : error(begun.error());
    }

    // Ends it; whether it begins anew its supervisor decides. ESRCH: it does not live.
    [[nodiscard]] Result<void> kill(uint32_t reason) const {
        return call::kill(static_cast<FiberId>(slot_), reason);
    }

  private:
    explicit ManagedCell(uint32_t slot) : slot_(slot) {}

    uint32_t slot_;
};

} // namespace nexus
