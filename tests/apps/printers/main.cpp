// SPDX-License-Identifier: Apache-2.0
//
// Fibers that are not the first use the console: four print 5000 lines each, on their pooled 4 KiB stacks and
// faster than the console takes them, while a fifth reads standard input to its end. A line that is one
// write() is never cut by another's.
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <unistd.h>

#include <nexus/console.h>
#include <nexus/fiber.h>

namespace {

constexpr int lines = 5000;

void print(int fiber) {
    for (int i = 0; i < lines; ++i) {
        char line[64];
        const int length = std::snprintf(line, sizeof line, "%d %d %.3f\n", fiber, i, i / 8.0);
        if (write(STDOUT_FILENO, line, static_cast<size_t>(length)) != length) {
            return;
        }
    }
}

uint64_t count_input() {
    uint64_t bytes = 0;
    while (true) {
        const auto text = nexus::console::input();
        if (!text || text->empty()) {
            return bytes;
        }
        bytes += text->size();
        nexus::console::consume(text->size());
    }
}

} // namespace

int main() {
    uint64_t bytes = 0;
    auto reader = nexus::spawn([&bytes] { bytes = count_input(); }, {.name = "reader"});
    nexus::Fiber printers[4];
    for (int i = 0; i < 4; ++i) {
        printers[i] = *nexus::spawn([i] { print(i); }, {.name = "printer"});
    }
    bool ended = true;
    for (nexus::Fiber& printer : printers) {
        ended = printer.join() == 0 && ended;
    }
    ended = reader->join() == 0 && ended;
    std::printf("%s, %" PRIu64 " bytes read, waited %" PRIu64 " times\n", ended ? "all ended" : "FAILED",
                bytes, nexus::console::output_statistics().producer.waits);
    return ended ? 0 : 1;
}
