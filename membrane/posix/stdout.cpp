// SPDX-License-Identifier: Apache-2.0
//
// stdout and stderr. A stream has no buffer of its own: its bytes are collected in the tx ring's next
// slot (nexus/console.h). Both start line buffered, that is: a message leaves at each end of line, and
// before the program waits for input.
#include <cerrno>
#include <cstddef>
#include <cstdio>

#include "nexus/console.h"

namespace {

using nexus::console::Stream;

// picolibc's FILE first, so that a pointer to one is a pointer to the other.
struct OutputFile {
    __file_ext file;
    Stream stream;
    int mode; // _IOFBF, _IOLBF, _IONBF
};

[[nodiscard]] OutputFile& output_file(FILE* file) {
    return *reinterpret_cast<OutputFile*>(file);
}

int put(char c, FILE* file) {
    OutputFile& self = output_file(file);
    const auto room = nexus::console::room(self.stream);
    if (!room) {
        errno = nexus::number(room.error());
        return _FDEV_ERR;
    }
    room->front() = static_cast<std::byte>(c);
    nexus::console::commit(1);
    if (self.mode == _IONBF || (self.mode == _IOLBF && c == '\n')) {
        nexus::console::flush();
    }
    return static_cast<unsigned char>(c);
}

int flush(FILE*) {
    nexus::console::flush();
    return 0;
}

// The console stays open for its other users; this stream takes nothing more.
int close_stream(FILE* file) {
    nexus::console::flush();
    file->flags &= static_cast<uint8_t>(~__SWR);
    return 0;
}

__off_t seek(FILE*, __off_t, int) {
    errno = ESPIPE;
    return -1;
}

// The slots are the buffer: a caller's own is not needed, only its wish when to flush is kept.
int set_buffer(FILE* file, char*, int mode, size_t) {
    if (mode != _IOFBF && mode != _IOLBF && mode != _IONBF) {
        errno = EINVAL;
        return -1;
    }
    output_file(file).mode = mode;
    return 0;
}

// picolibc's macro, written for C, leaves the ungetc cell out.
#pragma clang diagnostic ignored "-Wmissing-designated-field-initializers"
#define OUTPUT_FILE(stream, mode)                                                                            \
    {FDEV_SETUP_EXT(put, nullptr, flush, close_stream, seek, set_buffer, __SWR), stream, mode}

constinit OutputFile output = OUTPUT_FILE(Stream::output, _IOLBF);
constinit OutputFile error = OUTPUT_FILE(Stream::error, _IOLBF);

static_assert(offsetof(OutputFile, file) == 0);

} // namespace

FILE* const stdout = &output.file.cfile.file;
FILE* const stderr = &error.file.cfile.file;
