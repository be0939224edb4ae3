// SPDX-License-Identifier: Apache-2.0
//
// Data that stands in the image once and that several cells read, as the image's rumpk.toml lists it: at the
// same address in each, so that a pointer into it may be sent to another that has it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "nexus/meta.h"

namespace nexus {

// All of that name's bytes. They are there as long as the machine runs, and nobody changes them. ENOENT: the
// image gives this cell none of that name.
[[nodiscard]] inline Result<std::span<const std::byte>> share(std::string_view name) {
    for (uint32_t slot = 0; slot < RUMPK_CAP_SLOTS; ++slot) {
        const auto one = detail::meta<rumpk_meta_share>(RUMPK_META_SHARE, slot);
        if (one && name == reinterpret_cast<const char*>(one->name)) {
            return std::span(reinterpret_cast<const std::byte*>(static_cast<uintptr_t>(one->base)),
                             one->bytes);
        }
    }
    return error(Errno::noent);
}

} // namespace nexus
