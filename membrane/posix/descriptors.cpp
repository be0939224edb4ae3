// SPDX-License-Identifier: Apache-2.0
//
// The POSIX descriptors a cell has: 0, 1 and 2, all of them the console. What would need a file system
// or a process (open, unlink, fork ...) is not here, so that a program using it does not link.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

#include "nexus/console.h"

namespace {

constexpr size_t size_max = SIZE_MAX / 2; // of one read or write: its result is signed

constinit bool is_open[3] = {true, true, true};

[[nodiscard]] bool is_descriptor(int descriptor) {
    return descriptor >= STDIN_FILENO && descriptor <= STDERR_FILENO && is_open[descriptor];
}

// POSIX's way to say no.
[[nodiscard]] int refuse(int number) {
    errno = number;
    return -1;
}

} // namespace

extern "C" {

// Waits for the first byte, then takes what has come, in whole messages. 0: the input has ended.
// EBADF; EFAULT; EIO: the console broke the ring's rules.
ssize_t read(int descriptor, void* buffer, size_t size) {
    if (!is_descriptor(descriptor) || descriptor != STDIN_FILENO) {
        return refuse(EBADF);
    }
    if (buffer == nullptr && size != 0) {
        return refuse(EFAULT);
    }
    auto* const out = static_cast<std::byte*>(buffer);
    size = std::min(size, size_max);
    size_t taken = 0;
    while (taken < size) {
        const auto bytes = nexus::console::input(taken == 0 ? nexus::never : nexus::Instant{});
        if (!bytes) {
            return taken > 0 ? static_cast<ssize_t>(taken) : refuse(nexus::number(bytes.error()));
        }
        if (bytes->empty()) {
            break;
        }
        const size_t part = std::min(bytes->size(), size - taken);
        std::memcpy(out + taken, bytes->data(), part);
        nexus::console::consume(part);
        taken += part;
    }
    return static_cast<ssize_t>(taken);
}

// Takes all of it, waiting while the console lags behind. EBADF; EFAULT; EPIPE: the console has closed.
ssize_t write(int descriptor, const void* buffer, size_t size) {
    using nexus::console::Stream;
    if (!is_descriptor(descriptor) || descriptor == STDIN_FILENO) {
        return refuse(EBADF);
    }
    if (buffer == nullptr && size != 0) {
        return refuse(EFAULT);
    }
    const auto stream = descriptor == STDERR_FILENO ? Stream::error : Stream::output;
    const auto taken = nexus::console::write(
        stream, std::span(static_cast<const std::byte*>(buffer), std::min(size, size_max)));
    return taken ? static_cast<ssize_t>(*taken) : refuse(nexus::number(taken.error()));
}

// EBADF. The descriptor is gone for this program; the console itself stays.
int close(int descriptor) {
    if (!is_descriptor(descriptor)) {
        return refuse(EBADF);
    }
    nexus::console::flush();
    is_open[descriptor] = false;
    return 0;
}

// The console cannot seek: ESPIPE, or EBADF.
off_t lseek(int descriptor, off_t, int) {
    return refuse(is_descriptor(descriptor) ? ESPIPE : EBADF);
}

// A character device without a size. EBADF, EFAULT.
int fstat(int descriptor, struct stat* status) {
    if (!is_descriptor(descriptor)) {
        return refuse(EBADF);
    }
    if (status == nullptr) {
        return refuse(EFAULT);
    }
    *status = {};
    status->st_mode = S_IFCHR | (descriptor == STDIN_FILENO ? S_IRUSR : S_IWUSR);
    status->st_nlink = 1;
    return 0;
}

// A cell cannot know whether a terminal is at the other end of the console, so it is none: 0 with
// ENOTTY, or EBADF.
int isatty(int descriptor) {
    errno = is_descriptor(descriptor) ? ENOTTY : EBADF;
    return 0;
}

} // extern "C"
