// SPDX-License-Identifier: Apache-2.0
//
// What every fallible function of <nexus/...> returns: a value, or an error number.
#pragma once

#include <cstdint>
#include <expected>

#include "ion/result.h"

namespace nexus {

// The numbers of abi/errno.h as a type: Errno::inval is RUMPK_EINVAL. They are also POSIX's numbers.
using ion::Errno;

// A T, or why there is none. Never thrown, never ignored: check it before use.
template <class T>
using Result = std::expected<T, Errno>;

// `return nexus::error(Errno::inval);`
using ion::error;

// The number that POSIX's errno uses for it: always greater than 0.
[[nodiscard]] constexpr int number(Errno error) {
    return static_cast<int>(error);
}

// A call's answer as a Result: below zero it is a negated error number (abi/call.h), else the value.
[[nodiscard]] constexpr Result<uint64_t> result_of(int64_t answer) {
    if (answer < 0) {
        return error(static_cast<Errno>(-answer));
    }
    return static_cast<uint64_t>(answer);
}

// The same where only success or failure matters.
[[nodiscard]] constexpr Result<void> success_of(int64_t answer) {
    if (answer < 0) {
        return error(static_cast<Errno>(-answer));
    }
    return {};
}

} // namespace nexus
