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

constexpr std::string_view trace_option = "rumpk.trace=";

// "14". False: not two digits, or none of the sizes that are allowed.
bool read_trace(std::string_view digits, BootOptions& options) {
    if (digits.size() != 2) {
        return false;
    }
    const auto ones = static_cast<uint32_t>(digits[1] - '0');
    options.trace_size = static_cast<uint32_t>(digits[0] - '0') * 10 + ones;
    return ones <= 9 && options.trace_size - 4U <= 16U; // what is too small wraps, and is too large
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
    } else if (parts::trace && word.starts_with(trace_option) &&
               read_trace(word.substr(trace_option.size()), options)) {
        // it is read
    } else if (parts::views && (word == "rumpk.views=tagged" || word == "rumpk.views=untagged")) {
        options.untagged_views = word == "rumpk.views=untagged";
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
