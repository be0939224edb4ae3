// SPDX-License-Identifier: Apache-2.0
// What boot settles once for the whole machine.
#pragma once

#include <string_view>

#include "core/options.h"

namespace rumpk {

[[nodiscard]] const BootOptions& boot_options();
// "rumpk 0.1 qemu-riscv64"
[[nodiscard]] std::string_view version_line();

} // namespace rumpk
