// SPDX-License-Identifier: Apache-2.0
//
// What the compiler's C++ code and libc++'s headers expect of a run-time library.
#include <__verbose_abort>
#include <cstdarg>
#include <cstddef>
#include <cstring>
#include <new>

#include "start/process.h"

extern "C" {

[[noreturn]] void __cxa_pure_virtual() {
    nexus::detail::die("a pure virtual function was called");
}

[[noreturn]] void __cxa_deleted_virtual() {
    nexus::detail::die("a deleted virtual function was called");
}

} // extern "C"

namespace std {

const nothrow_t nothrow{};

[[noreturn]] void terminate() noexcept {
    nexus::detail::die("std::terminate() was called");
}

inline namespace _LIBCPP_ABI_NAMESPACE {

// libc++'s way to end where the standard would throw. Its formats know %s alone; printf would be half
// of a small program.
[[noreturn]] void __libcpp_verbose_abort(const char* format, ...) {
    char text[200];
    size_t used = 0;
    const auto add = [&](const char* part, size_t length) {
        for (size_t i = 0; i < length && used < sizeof text - 1; ++i) {
            text[used++] = part[i];
        }
    };
    va_list arguments;
    va_start(arguments, format);
    for (const char* at = format; *at != '\0'; ++at) {
        if (at[0] == '%' && at[1] == 's') {
            const char* part = va_arg(arguments, const char*);
            add(part, strlen(part));
            ++at;
        } else {
            add(at, 1);
        }
    }
    va_end(arguments);
    text[used] = '\0';
    nexus::detail::die(text);
}

} // namespace _LIBCPP_ABI_NAMESPACE

} // namespace std
