// SPDX-License-Identifier: Apache-2.0
//
// The program's one standard output.
#include "native/output.h"

#include <cstring>

namespace nexus::console {

namespace {

constinit Output the_output;

} // namespace

Result<std::span<std::byte>> room(Stream stream, Instant deadline) {
    return the_output.room(stream, deadline);
}

void commit(size_t bytes) {
    the_output.commit(bytes);
}

void flush() {
    the_output.flush();
}

Result<size_t> write(Stream stream, std::span<const std::byte> bytes, Instant deadline) {
    size_t taken = 0;
    while (taken < bytes.size()) {
        const auto space = the_output.room(stream, deadline, bytes.size() - taken);
        if (!space) {
            if (taken == 0) {
                return error(space.error());
            }
            break;
        }
        const size_t part = std::min(space->size(), bytes.size() - taken);
        std::memcpy(space->data(), bytes.data() + taken, part);
        the_output.commit(part);
        taken += part;
    }
    the_output.flush();
    return taken;
}

Statistics output_statistics() {
    return the_output.statistics();
}

} // namespace nexus::console
