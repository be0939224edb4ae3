// SPDX-License-Identifier: Apache-2.0
#include "hal/machine/host/image.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/image.h"
#include "hal/machine/host/message.h"

namespace rumpk::hal {

Image image_find() {
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct stat status = {};
    if (file < 0 || fstat(file, &status) != 0) {
        die_errno("the image cannot be read: /proc/self/exe");
    }
    auto size = static_cast<uint64_t>(status.st_size);
    ImageTrailer trailer = {};
    bool complete =
        size >= sizeof(trailer) && pread(file, &trailer, sizeof(trailer), status.st_size - 16) == 16;
    if (!complete || trailer.magic != RUMPK_BOOT_TABLE_MAGIC) {
        close(file);
        return {};
    }
    if (!image_trailer_valid(trailer, size)) {
        die("the image is damaged: its last 16 bytes point nowhere");
    }
    Image image = {.table = nullptr, .size = size - sizeof(trailer) - trailer.offset};
    image.table = mmap(nullptr, image.size, PROT_READ, MAP_PRIVATE, file, static_cast<off_t>(trailer.offset));
    if (image.table == MAP_FAILED) {
        die_errno("the image cannot be mapped");
    }
    close(file);
    return image;
}

} // namespace rumpk::hal
