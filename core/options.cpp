// SPDX-License-Identifier: Apache-2.0
#include "core/options.h"

namespace rumpk {

namespace {

// Cuts the next word off; the separators before and after it go with it.
std::string_view take_word(std::string_view& text) {
    while (text.starts_with(' ')) {
        text.remove_prefix(1);
    }
    size_t length = 0;
    while (length < text.size() && text[length] != ' ') {
        ++length;
    }
    const std::string_view word = text.substr(0, length);
    text.remove_prefix(length < text.size() ? length + 1 : length);
    return word;
}

void read_option(std::string_view word, BootOptions& options) {
    if (word == "rumpk.console=framed") {
        options.console_framed = true;
    } else if (word == "rumpk.console=plain") {
        options.console_framed = false;
    } else if (word == "rumpk.log=verbose") {
        options.log_verbose = true;
    } else if (word == "rumpk.log=quiet") {
        options.log_verbose = false;
    } else if (word.starts_with("rumpk.") && options.unknown_count++ == 0) {
        options.unknown = word;
    }
}

} // namespace

BootOptions parse_options(std::string_view text) {
    BootOptions options;
    while (!text.empty()) {
        const std::string_view word = take_word(text);
        if (word == "--") {
            options.arguments = text;
            break;
        }
        read_option(word, options);
    }
    return options;
}

} // namespace rumpk
