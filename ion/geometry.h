// SPDX-License-Identifier: Apache-2.0
//
// How a ring is cut: so many slots of so many bytes. A party keeps it in private
// memory; it is never read from a ring.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/ring.h"
#include "ion/result.h"

namespace ion {

// A Geometry that exists is valid: code that has one masks and multiplies with it unchecked.
class Geometry {
  public:
    // slots: a power of two, 1..RUMPK_RING_MAX_SLOTS. slot_size: bytes with the slot's 16-byte
    // header, a multiple of 16, 32..RUMPK_RING_MAX_SLOT_SIZE. Anything else is EINVAL.
    [[nodiscard]] static constexpr Result<Geometry> make(uint64_t slots, uint64_t slot_size) {
        const bool power_of_two = slots != 0 && (slots & (slots - 1)) == 0;
        if (!power_of_two || slots > RUMPK_RING_MAX_SLOTS) {
            return error(Errno::inval);
        }
        if (slot_size % slot_alignment != 0 || slot_size < least_slot_size ||
            slot_size > RUMPK_RING_MAX_SLOT_SIZE) {
            return error(Errno::inval);
        }
        return Geometry(static_cast<uint32_t>(slots), static_cast<uint32_t>(slot_size));
    }

    // The same of constants; a wrong one does not compile.
    [[nodiscard]] static consteval Geometry of(uint64_t slots, uint64_t slot_size) {
        return *make(slots, slot_size);
    }

    // Bytes of the smallest slot for payloads of so many bytes: what make takes.
    [[nodiscard]] static constexpr uint64_t slot_for(uint64_t payload) {
        const uint64_t least = (RUMPK_SLOT_HEADER_SIZE + payload + slot_alignment - 1) / slot_alignment;
        return least * slot_alignment < least_slot_size ? least_slot_size : least * slot_alignment;
    }

    [[nodiscard]] constexpr uint32_t slots() const { return slots_; }
    [[nodiscard]] constexpr uint32_t slot_size() const { return slot_size_; }
    // Payload bytes that fit in one slot: at least 16.
    [[nodiscard]] constexpr uint32_t capacity() const { return slot_size_ - RUMPK_SLOT_HEADER_SIZE; }
    // Bytes of the whole ring, header included; a multiple of 16.
    [[nodiscard]] constexpr uint64_t bytes() const { return RUMPK_RING_HEADER_SIZE + slots_bytes(); }
    // Bytes of the slots alone.
    [[nodiscard]] constexpr uint64_t slots_bytes() const {
        return static_cast<uint64_t>(slots_) * slot_size_;
    }

    constexpr bool operator==(const Geometry&) const = default;

  private:
    static constexpr uint64_t slot_alignment = 16;
    static constexpr uint64_t least_slot_size = 32;

    constexpr Geometry(uint32_t slots, uint32_t slot_size) : slots_(slots), slot_size_(slot_size) {}

    uint32_t slots_;
    uint32_t slot_size_;
};

// A geometry that is known when the program is compiled: an end that has it keeps none, and finds a slot
// without a multiplication. A wrong one does not compile.
template <uint32_t Slots, uint32_t SlotSize>
struct FixedGeometry {
    static constexpr Geometry value = Geometry::of(Slots, SlotSize);

    [[nodiscard]] static constexpr uint32_t slots() { return Slots; }
    [[nodiscard]] static constexpr uint32_t slot_size() { return SlotSize; }
    [[nodiscard]] static constexpr uint32_t capacity() { return value.capacity(); }
    [[nodiscard]] static constexpr uint64_t bytes() { return value.bytes(); }
    constexpr operator Geometry() const { return value; }
};

} // namespace ion
