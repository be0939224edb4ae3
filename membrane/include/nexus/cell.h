// SPDX-License-Identifier: Apache-2.0
//
// Other cells that this one manages, as the image's rumpk.toml says: it lets them begin, ends them, and takes
// from them what they hold.
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

    // What it holds in one of its slots. EBADF: that one is empty, and always was.
    [[nodiscard]] Result<rumpk_meta_cap> holds(uint32_t slot) const {
        return detail::meta<rumpk_meta_cap>(RUMPK_META_CAPS, RUMPK_THEIR_SLOT(slot_, slot));
    }

    // The slot in which it holds a channel, a device, a share or a cell of that name. ENOENT: none.
    [[nodiscard]] Result<uint32_t> slot_of(std::string_view name) const {
        for (uint32_t slot = 0; slot < RUMPK_CAP_SLOTS; ++slot) {
            if (is<rumpk_meta_channel>(RUMPK_META_CHANNEL, slot, name) || // a device has one of its name
                is<rumpk_meta_share>(RUMPK_META_SHARE, slot, name) ||
                is<rumpk_meta_cell>(RUMPK_META_CELL, slot, name)) {
                return slot;
            }
        }
        return error(Errno::noent);
    }

    // Takes that away from it, for all of its lives; when this returns nothing of it can be used or seen
    // there any more. ENOENT: it has none. EINVAL: it drives the console by that.
    [[nodiscard]] Result<void> revoke(std::string_view name, uint32_t reason = 1) const {
        const auto slot = slot_of(name);
        return slot ? call::kill(static_cast<FiberId>(RUMPK_THEIR_SLOT(slot_, *slot)), reason)
                    : error(slot.error());
    }

  private:
    template <typename T>
    [[nodiscard]] bool is(uint64_t op, uint32_t slot, std::string_view name) const {
        const auto one = detail::meta<T>(op, RUMPK_THEIR_SLOT(slot_, slot));
        return one && name == reinterpret_cast<const char*>(one->name);
    }

    explicit ManagedCell(uint32_t slot) : slot_(slot) {}

    uint32_t slot_;
};

} // namespace nexus
