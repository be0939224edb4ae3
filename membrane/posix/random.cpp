// SPDX-License-Identifier: Apache-2.0
//
// POSIX's and Linux's names for random bytes.
#include <cerrno>
#include <sys/random.h>
#include <unistd.h>

#include "nexus/random.h"

namespace {

constexpr size_t getentropy_max = 256; // POSIX.1-2024

[[nodiscard]] int draw(void* buffer, size_t size) {
    const auto drawn = nexus::random(std::span(static_cast<std::byte*>(buffer), size));
    if (!drawn) {
        errno = nexus::number(drawn.error());
        return -1;
    }
    return 0;
}

} // namespace

extern "C" {

// EAGAIN: the machine gave no entropy to start from, and none will come: do not try again. EFAULT;
// EINVAL: unknown flags, or more than SSIZE_MAX.
ssize_t getrandom(void* buffer, size_t size, unsigned flags) {
    if ((flags & ~(GRND_NONBLOCK | GRND_RANDOM)) != 0 || size > SIZE_MAX / 2) {
        errno = EINVAL;
        return -1;
    }
    return draw(buffer, size) == 0 ? static_cast<ssize_t>(size) : -1;
}

// At most 256 bytes, else EIO. EAGAIN and EFAULT as above.
int getentropy(void* buffer, size_t size) {
    if (size > getentropy_max) {
        errno = EIO;
        return -1;
    }
    return draw(buffer, size);
}

} // extern "C"
