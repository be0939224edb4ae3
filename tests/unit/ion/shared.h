// SPDX-License-Identifier: Apache-2.0
//
// Memory of a ring on the heap, exactly as long as it must be: AddressSanitizer sees every byte
// that is touched before or behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>

#include "ion/ring.h"

namespace ion_test {

class Shared {
  public:
    explicit Shared(ion::Geometry geometry)
        : geometry_(geometry),
          data_(static_cast<std::byte*>(::operator new(geometry.bytes(), std::align_val_t{64}))) {
        std::memset(data_, 0xa5, geometry.bytes()); // what nobody has cleaned
        if (!ion::format(bytes(), geometry)) {
            std::terminate();
        }
    }
    ~Shared() { ::operator delete(data_, std::align_val_t{64}); }
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;

    [[nodiscard]] void* base() const { return data_; }
    [[nodiscard]] ion::Geometry geometry() const { return geometry_; }
    [[nodiscard]] std::span<std::byte> bytes() const { return {data_, geometry_.bytes()}; }
    [[nodiscard]] rumpk_ring_header& header() const { return *reinterpret_cast<rumpk_ring_header*>(data_); }
    [[nodiscard]] rumpk_slot_header& slot(uint64_t position) const {
        const uint64_t index = position % geometry_.slots();
        return *reinterpret_cast<rumpk_slot_header*>(data_ + RUMPK_RING_HEADER_SIZE +
                                                     index * geometry_.slot_size());
    }

  private:
    ion::Geometry geometry_;
    std::byte* data_;
};

// Bytes of an object, and an object of bytes that begin with it.
template <class T>
std::span<const std::byte> bytes_of(const T& value) {
    return std::as_bytes(std::span<const T, 1>(&value, 1));
}

template <class T>
T read_as(std::span<const std::byte> bytes) {
    T value{};
    std::memcpy(&value, bytes.data(), bytes.size() < sizeof value ? bytes.size() : sizeof value);
    return value;
}

} // namespace ion_test
