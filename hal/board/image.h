// SPDX-License-Identifier: Apache-2.0
//
// The kernel as the linker laid it out (kernel.ld): physical and virtual at once,
// page aligned, ends exclusive.
#pragma once

#include <cstdint>

extern "C" {
extern const char __text_start[];
extern const char __text_end[];
extern const char __rodata_end[];
extern const char __image_end[];
}

namespace rumpk::hal::image {

inline uint64_t address(const char* symbol) {
    return reinterpret_cast<uint64_t>(symbol);
}

inline uint64_t text_base() {
    return address(__text_start);
}
inline uint64_t text_end() {
    return address(__text_end);
}
inline uint64_t rodata_end() {
    return address(__rodata_end);
}
// Data and zeros lie between; behind it the boot table.
inline uint64_t end() {
    return address(__image_end);
}

} // namespace rumpk::hal::image
