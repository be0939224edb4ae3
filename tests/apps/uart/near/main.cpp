// SPDX-License-Identifier: Apache-2.0
//
// uart WHAT ...: an application whose console's driver is a cell.
//     echo           copies standard input to standard output; ends with 7
//     text N         N lines, each with its number, half of them on standard error
//     slow N         the same, one in five milliseconds
//     direct N       all of it on standard output, by the call `write`
//     read, write    a register of the driver's, which is not this cell's
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <unistd.h>

#include <nexus/call.h>
#include <nexus/fiber.h>

#include "tests/apps/uart/places.h"

namespace {

int echo() {
    static std::array<char, 4096> buffer;
    for (;;) {
        const ssize_t size = read(STDIN_FILENO, buffer.data(), buffer.size());
        if (size <= 0) {
            return size == 0 ? 7 : 1;
        }
        if (write(STDOUT_FILENO, buffer.data(), static_cast<size_t>(size)) != size) {
            return 2;
        }
    }
}

int text(unsigned lines, nexus::Duration pause = {}) {
    for (unsigned i = 0; i < lines; ++i) {
        if (pause != nexus::Duration{}) {
            nexus::sleep_for(pause);
        }
        std::fprintf(i % 2 == 0 ? stdout : stderr, "line %06u of %06u\n", i, lines);
    }
    return 0;
}

// All of it, however often the console has no room.
int direct(unsigned lines) {
    for (unsigned i = 0; i < lines; ++i) {
        std::array<char, 32> line;
        const int size = std::snprintf(line.data(), line.size(), "line %06u of %06u\n", i, lines);
        auto rest = std::as_bytes(std::span(line).first(static_cast<size_t>(size)));
        while (!rest.empty()) {
            const auto written = nexus::call::write(RUMPK_FD_OUTPUT, rest);
            if (written) {
                rest = rest.subspan(static_cast<size_t>(*written));
            } else if (written.error() == nexus::Errno::again) {
                nexus::sleep_for(std::chrono::microseconds(100));
            } else {
                return 3;
            }
        }
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    const unsigned count = argc > 2 ? static_cast<unsigned>(std::strtoul(argv[2], nullptr, 10)) : 0;
    if (what == "echo") {
        return echo();
    }
    if (what == "text") {
        return text(count);
    }
    if (what == "slow") {
        return text(count, std::chrono::milliseconds(5));
    }
    if (what == "direct") {
        return direct(count);
    }
    auto* const at = reinterpret_cast<volatile uint8_t*>(static_cast<uintptr_t>(uart::registers));
    if (what == "write") {
        *at = 'x';
    }
    return what == "read" || what == "write" ? *at & 1 : 4;
}
