// SPDX-License-Identifier: Apache-2.0
// Where this machine finds the boot table: behind the kernel in its own executable.
#ifndef RUMPK_HAL_MACHINE_HOST_IMAGE_H
#define RUMPK_HAL_MACHINE_HOST_IMAGE_H

#include <stdint.h>

namespace rumpk::hal {

// The last 16 bytes of an image. A kernel without one ends in something else.
struct ImageTrailer {
    uint64_t offset; // of the boot table in the file; page aligned
    uint32_t magic;  // RUMPK_BOOT_TABLE_MAGIC
    uint32_t reserved;
};
static_assert(sizeof(ImageTrailer) == 16);

// Whether the table may lie there: page aligned, not at the very beginning, and with at least
// a byte between it and the trailer. `size` is the file's.
[[nodiscard]] constexpr bool image_trailer_valid(const ImageTrailer& trailer, uint64_t size) {
    return trailer.reserved == 0 && trailer.offset % 4096 == 0 && trailer.offset != 0 &&
           size > sizeof(ImageTrailer) && trailer.offset < size - sizeof(ImageTrailer);
}

struct Image {
    const void* table = nullptr; // NULL: there is none
    uint64_t size = 0;
};

// Maps it, read-only. Ends the process on a trailer that cannot be.
Image image_find();

} // namespace rumpk::hal

#endif
