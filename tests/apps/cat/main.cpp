// SPDX-License-Identifier: Apache-2.0
//
// Copies standard input to standard output, whatever the bytes are, by read() and write(); with the
// argument `native` from slot to slot, and with `stdio` a byte at a time.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <unistd.h>

#include <nexus/console.h>

namespace {

int copy_posix() {
    static std::array<char, 16384> buffer;
    while (true) {
        const ssize_t size = read(STDIN_FILENO, buffer.data(), buffer.size());
        if (size <= 0) {
            return size == 0 ? 0 : 1;
        }
        if (write(STDOUT_FILENO, buffer.data(), static_cast<size_t>(size)) != size) {
            return 1;
        }
    }
}

int copy_native() {
    using namespace nexus::console;
    while (true) {
        const auto bytes = input();
        if (!bytes || bytes->empty()) {
            flush();
            return bytes ? 0 : 1;
        }
        const auto space = room(Stream::output);
        if (!space) {
            return 1;
        }
        const size_t part = std::min(bytes->size(), space->size());
        std::memcpy(space->data(), bytes->data(), part);
        commit(part);
        consume(part);
    }
}

int copy_stdio() {
    std::setvbuf(stdout, nullptr, _IOFBF, BUFSIZ);
    for (int byte = std::getchar(); byte != EOF; byte = std::getchar()) {
        if (std::putchar(byte) == EOF) {
            return 1;
        }
    }
    return std::ferror(stdin);
}

} // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::strcmp(argv[1], "native") == 0) {
        return copy_native();
    }
    if (argc > 1 && std::strcmp(argv[1], "stdio") == 0) {
        return copy_stdio();
    }
    return copy_posix();
}
