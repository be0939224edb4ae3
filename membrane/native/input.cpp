// SPDX-License-Identifier: Apache-2.0
//
// The program's one standard input.
#include "native/input.h"

namespace nexus::console {

namespace {

constinit Input the_input;

} // namespace

Result<std::span<const std::byte>> input(Instant deadline) {
    return the_input.next(deadline);
}

void consume(size_t bytes) {
    the_input.consume(bytes);
}

Statistics input_statistics() {
    return the_input.statistics();
}

} // namespace nexus::console
