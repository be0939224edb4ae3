// SPDX-License-Identifier: Apache-2.0
//
// Lists of texts: NUL-terminated ones, one behind the other. Smaller than arrays of pointers.
#pragma once

#include <cstddef>

namespace rumpk::hal {

constexpr const char* text_in(const char* list, size_t index) {
    while (index > 0) {
        index -= *list++ == '\0' ? 1 : 0;
    }
    return list;
}

} // namespace rumpk::hal
