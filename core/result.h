// SPDX-License-Identifier: Apache-2.0
// What a function of the core returns when it can fail, and what it does when
// only a mistake of the kernel's own can make it fail.
#pragma once

#include <cstdint>
#include <expected>

#include "ion/result.h"

namespace rumpk {

// A value or an errno: the caller can go on. Errno::inval and so on, as rings use them.
using Errno = ion::Errno;
template <typename T>
using Result = ion::Result<T>;
using ion::error; // `return error(Errno::inval);`

// The value that a call gives back: >= 0 the result, < 0 the negated errno.
[[nodiscard]] constexpr int64_t to_call(Errno number) {
    return -static_cast<int64_t>(number);
}
[[nodiscard]] constexpr int64_t to_call(const Result<void>& result) {
    return result ? 0 : to_call(result.error());
}
// For numbers, and for the strong types that have value().
template <typename T>
[[nodiscard]] constexpr int64_t to_call(const Result<T>& result) {
    if (!result) {
        return to_call(result.error());
    }
    if constexpr (requires { result->value(); }) {
        return static_cast<int64_t>(result->value());
    } else {
        return static_cast<int64_t>(*result);
    }
}

// An invariant of the kernel itself. When it does not hold nobody can go on:
// the machine faults at this very place, and the panic names it. Costs one
// branch and no text. Never for what an application or a file may get wrong.
constexpr void ensure(bool holds) {
    if (!holds) [[unlikely]] {
        __builtin_trap();
    }
}

} // namespace rumpk
