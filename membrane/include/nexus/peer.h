// SPDX-License-Identifier: Apache-2.0
//
// Channels to other cells, as the image's rumpk.toml lists them: one cell sends, another receives. Each end
// is one of nexus/ring.h, and what comes through is a stranger's. A fiber at an end waits for its bell;
// another of the cell that waits there meanwhile is told EBUSY. A cell that began anew goes on where it had
// stopped: what it had sent is there, and what it had not released comes again.
#pragma once

#include <string_view>

#include "nexus/meta.h"
#include "nexus/ring.h"

namespace nexus {

namespace detail {

// The slot of that name's end with that right. ENOENT: the image gives this cell none.
[[nodiscard]] inline Result<uint32_t> find_channel(std::string_view name, uint32_t right,
                                                   rumpk_meta_channel& found) {
    for (uint32_t slot = 0; slot + 1 < RUMPK_CAP_SLOTS; ++slot) {
        const auto one = meta<rumpk_meta_channel>(RUMPK_META_CHANNEL, slot);
        if (one && one->rights == right && name == reinterpret_cast<const char*>(one->name)) {
            found = *one;
            return slot;
        }
    }
    return error(Errno::noent);
}

template <class End>
[[nodiscard]] Result<End> open_end(std::string_view name, uint32_t right) {
    rumpk_meta_channel found;
    const auto slot = find_channel(name, right, found);
    if (!slot) {
        return error(slot.error());
    }
    const uint64_t channel = uint64_t{1} << *slot;
    return End::resume({found.base, found.slots, found.slot_size}, {channel, channel});
}

} // namespace detail

// The end of a channel on which this cell sends, to be opened once a life. ENOENT; EINVAL: T does not fit
// into its slots; EPIPE: an end has been closed; EIO: what stands in the ring is impossible.
template <class T>
[[nodiscard]] Result<typename ring<T>::sender> open_sender(std::string_view name) {
    return detail::open_end<typename ring<T>::sender>(name, RUMPK_RIGHT_WRITE);
}
// The same of one on which it receives.
template <class T>
[[nodiscard]] Result<typename ring<T>::receiver> open_receiver(std::string_view name) {
    return detail::open_end<typename ring<T>::receiver>(name, RUMPK_RIGHT_READ);
}

} // namespace nexus
