// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as boot arguments: the views point into them, and what is reported
// unknown is an option.
#include <cstdint>
#include <cstdlib>

#include "core/options.h"

namespace {

void require_inside(std::string_view part, std::string_view whole) {
    if (!part.empty() &&
        (part.data() < whole.data() || part.data() + part.size() > whole.data() + whole.size())) {
        std::abort();
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const rumpk::BootOptions options = rumpk::parse_options(text);
    require_inside(options.arguments, text);
    require_inside(options.unknown, text);
    if ((options.unknown_count != 0) != options.unknown.starts_with("rumpk.") ||
        options.unknown.find(' ') != std::string_view::npos) {
        std::abort();
    }
    if (!options.arguments.empty() &&
        options.arguments.data() + options.arguments.size() != text.data() + size) {
        std::abort();
    }
    return 0;
}
