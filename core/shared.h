// SPDX-License-Identifier: Apache-2.0
// A value that one core writes and any may read, as it was some moment ago.
#pragma once

#include <atomic>

namespace rumpk {

// Plain loads and stores: never an update in one step.
template <typename T>
class Shared {
  public:
    Shared() = default;
    explicit Shared(T value) : value_(value) {}
    Shared& operator=(T value) {
        value_.store(value, std::memory_order_relaxed);
        return *this;
    }
    operator T() const { return value_.load(std::memory_order_relaxed); } // NOLINT(*-explicit-*)
    void add(T more) { *this = static_cast<T>(*this + more); }

  private:
    std::atomic<T> value_{};
};

} // namespace rumpk
