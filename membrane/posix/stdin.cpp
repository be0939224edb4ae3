// SPDX-License-Identifier: Apache-2.0
//
// stdin: getc takes its byte straight out of the rx ring's slot.
#include <cerrno>
#include <cstdio>

#include "nexus/console.h"

namespace {

int get(FILE*) {
    const auto bytes = nexus::console::input();
    if (!bytes) {
        errno = nexus::number(bytes.error());
        return _FDEV_ERR;
    }
    if (bytes->empty()) {
        return _FDEV_EOF;
    }
    const auto byte = static_cast<unsigned char>(bytes->front());
    nexus::console::consume(1);
    return byte;
}

int close_stream(FILE* file) {
    file->flags &= static_cast<uint8_t>(~__SRD);
    return 0;
}

__off_t seek(FILE*, __off_t, int) {
    errno = ESPIPE;
    return -1;
}

// Input is never read ahead of the ring's slots, whatever mode is asked for.
int set_buffer(FILE*, char*, int, size_t) {
    return 0;
}

// picolibc's macro, written for C, leaves the ungetc cell out.
#pragma clang diagnostic ignored "-Wmissing-designated-field-initializers"
constinit __file_ext input = FDEV_SETUP_EXT(nullptr, get, nullptr, close_stream, seek, set_buffer, __SRD);

} // namespace

FILE* const stdin = &input.cfile.file;
