// SPDX-License-Identifier: Apache-2.0
// The boot arguments: the kernel's options, `--`, then the application's
// arguments, all separated by single spaces.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/parts.h"

namespace rumpk {

struct BootOptions {
    bool console_framed = false; // rumpk.console=framed; =plain is the default
    bool log_verbose = false;    // rumpk.log=verbose; =quiet is the default
    bool untagged_views = false; // rumpk.views=untagged; =tagged is the default. Of parts::views alone
    uint32_t trace_size = 0;     // rumpk.trace=NN, 04 to 20: each core keeps 2^NN events; 0: none. Without
                                 // parts::trace it is no option
    [[nodiscard]] bool traces() const { return parts::trace && trace_size != 0; }
    // What stands after `--`, as it stood: percent-encoded, meta's ARGS. Empty: nothing.
    std::string_view arguments;
    // The first option that begins with `rumpk.` and is none of the above, or has a
    // value that it does not take; empty: there is none. Of `unknown_count` such.
    std::string_view unknown;
    uint32_t unknown_count = 0;
};

// Words without `rumpk.` before the `--` are the firmware's or the boot loader's
// and are passed over, as are spaces too many. Of an option given twice the last
// holds. The views point into `text`. `text` may hold any bytes.
[[nodiscard]] BootOptions parse_options(std::string_view text);

} // namespace rumpk
