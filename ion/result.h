// SPDX-License-Identifier: Apache-2.0
//
// What a fallible function returns: a value, or one of the ABI's error numbers.
#pragma once

#include <expected>

#include "abi/errno.h"

namespace ion {

// The numbers of abi/errno.h as a type. An enumerator is the ABI's name without
// RUMPK_E, in lower case, so that it meets no macro of a C library's <errno.h>.
enum class [[nodiscard]] Errno : int {
    perm = RUMPK_EPERM,
    noent = RUMPK_ENOENT,
    srch = RUMPK_ESRCH,
    io = RUMPK_EIO,
    toobig = RUMPK_E2BIG,
    badf = RUMPK_EBADF,
    again = RUMPK_EAGAIN,
    nomem = RUMPK_ENOMEM,
    fault = RUMPK_EFAULT,
    busy = RUMPK_EBUSY,
    exist = RUMPK_EEXIST,
    nodev = RUMPK_ENODEV,
    inval = RUMPK_EINVAL,
    pipe = RUMPK_EPIPE,
    range = RUMPK_ERANGE,
    nosys = RUMPK_ENOSYS,
    overflow = RUMPK_EOVERFLOW,
    timedout = RUMPK_ETIMEDOUT,
};

template <class T>
using Result = std::expected<T, Errno>;

// `return ion::error(Errno::inval);`
constexpr std::unexpected<Errno> error(Errno number) {
    return std::unexpected<Errno>(number);
}

} // namespace ion
