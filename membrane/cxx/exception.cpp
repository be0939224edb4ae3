// SPDX-License-Identifier: Apache-2.0
//
// The exception classes as values: nothing throws them here, but programs derive from them.
#include <exception>
#include <new>

namespace std {

exception::~exception() noexcept = default;

const char* exception::what() const noexcept {
    return "std::exception";
}

bad_alloc::bad_alloc() noexcept = default;
bad_alloc::~bad_alloc() noexcept = default;

const char* bad_alloc::what() const noexcept {
    return "std::bad_alloc";
}

} // namespace std
