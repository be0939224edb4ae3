// SPDX-License-Identifier: Apache-2.0
//
// The out-of-line half of std::shared_ptr: its control block. The counts start at 0 for one owner and
// are plain numbers: the fibers that share them take turns.
#include <memory>

namespace std::inline _LIBCPP_ABI_NAMESPACE {

__shared_count::~__shared_count() = default;
__shared_weak_count::~__shared_weak_count() = default;

void __shared_weak_count::__release_weak() noexcept {
    if (--__shared_weak_owners_ == -1) {
        __on_zero_shared_weak();
    }
}

__shared_weak_count* __shared_weak_count::lock() noexcept {
    if (use_count() == 0) {
        return nullptr;
    }
    __add_shared();
    return this;
}

// What std::get_deleter asks by type_info, which there is none of.
const void* __shared_weak_count::__get_deleter(const type_info&) const noexcept {
    return nullptr;
}

} // namespace std::inline _LIBCPP_ABI_NAMESPACE
