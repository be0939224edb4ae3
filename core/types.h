// SPDX-License-Identifier: Apache-2.0
// Addresses, times, ids and rights as types: none turns into another, or into a
// plain number, unless asked.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "abi/call.h"
#include "core/result.h"

namespace rumpk {

// A byte address. The two kinds, physical and virtual, do not mix.
template <typename Kind>
class Address {
  public:
    constexpr Address() = default;
    constexpr explicit Address(uint64_t value) : value_(value) {}

    [[nodiscard]] constexpr uint64_t value() const { return value_; }
    constexpr auto operator<=>(const Address&) const = default;

    // Both wrap silently: where the sum may be somebody else's idea, use
    // AddressRange::checked.
    constexpr Address operator+(uint64_t bytes) const { return Address{value_ + bytes}; }
    constexpr Address operator-(uint64_t bytes) const { return Address{value_ - bytes}; }
    // Bytes from `other` up to this.
    constexpr uint64_t operator-(Address other) const { return value_ - other.value_; }

    // `alignment` is a power of two.
    [[nodiscard]] constexpr bool is_aligned(uint64_t alignment) const {
        return (value_ & (alignment - 1)) == 0;
    }

  private:
    uint64_t value_ = 0;
};

using PhysAddr = Address<struct Physical>;
using VirtAddr = Address<struct Virtual>;

// Up or down to a multiple of a power of two; up wraps to 0 at the very end.
[[nodiscard]] constexpr uint64_t align_down(uint64_t value, uint64_t alignment) {
    return value & ~(alignment - 1);
}
[[nodiscard]] constexpr uint64_t align_up(uint64_t value, uint64_t alignment) {
    return align_down(value + (alignment - 1), alignment);
}

// Bytes [base, base + size), end exclusive. Never wraps: base + size fits in 64
// bits. Whoever fills it from numbers of others uses checked().
struct AddressRange {
    VirtAddr base{};
    uint64_t size = 0; // bytes

    // EOVERFLOW: the end would not fit.
    [[nodiscard]] static constexpr Result<AddressRange> checked(VirtAddr base, uint64_t size) {
        if (size > std::numeric_limits<uint64_t>::max() - base.value()) {
            return error(Errno::overflow);
        }
        return AddressRange{base, size};
    }

    constexpr bool operator==(const AddressRange&) const = default;
    [[nodiscard]] constexpr bool empty() const { return size == 0; }
    [[nodiscard]] constexpr VirtAddr end() const { return base + size; } // exclusive
    [[nodiscard]] constexpr bool contains(VirtAddr address) const {
        return address - base < size; // of what lies below: huge
    }
    // An empty range is contained where it touches, its base at most our end.
    [[nodiscard]] constexpr bool contains(AddressRange other) const {
        return other.base >= base && other.base - base <= size && other.size <= size - (other.base - base);
    }
    // Empty ranges overlap nothing.
    [[nodiscard]] constexpr bool overlaps(AddressRange other) const {
        return !empty() && !other.empty() && base < other.end() && other.base < end();
    }
    // Only where the range is mapped.
    [[nodiscard]] void* pointer() const {
        return reinterpret_cast<void*>(
            static_cast<uintptr_t>(base.value())); // NOLINT(performance-no-int-to-ptr)
    }
};

// A length of time. Sums stop at the longest there is.
class Nanoseconds {
  public:
    constexpr Nanoseconds() = default;
    constexpr explicit Nanoseconds(uint64_t value) : value_(value) {}

    [[nodiscard]] constexpr uint64_t value() const { return value_; }
    constexpr auto operator<=>(const Nanoseconds&) const = default;
    constexpr Nanoseconds operator+(Nanoseconds other) const {
        const uint64_t sum = value_ + other.value_;
        return Nanoseconds{sum < value_ ? std::numeric_limits<uint64_t>::max() : sum};
    }
    constexpr Nanoseconds& operator+=(Nanoseconds other) { return *this = *this + other; }

  private:
    uint64_t value_ = 0;
};

// A moment: monotonic nanoseconds since reset. never() comes after all others.
class Instant {
  public:
    constexpr Instant() = default;
    constexpr explicit Instant(uint64_t nanoseconds) : nanoseconds_(nanoseconds) {}
    [[nodiscard]] static constexpr Instant never() { return Instant{RUMPK_NEVER}; }

    [[nodiscard]] constexpr uint64_t nanoseconds() const { return nanoseconds_; }
    constexpr auto operator<=>(const Instant&) const = default;
    // What passed since `earlier`; nothing if that was later.
    constexpr Nanoseconds operator-(Instant earlier) const {
        return Nanoseconds{nanoseconds_ > earlier.nanoseconds_ ? nanoseconds_ - earlier.nanoseconds_ : 0};
    }
    // Too far away is never().
    constexpr Instant operator+(Nanoseconds later) const {
        return Instant{(Nanoseconds{nanoseconds_} + later).value()};
    }

  private:
    uint64_t nanoseconds_ = 0;
};

// Indices that are not interchangeable.
template <typename Kind>
class Index {
  public:
    constexpr Index() = default;
    constexpr explicit Index(uint32_t value) : value_(value) {}
    [[nodiscard]] constexpr uint32_t value() const { return value_; }
    constexpr auto operator<=>(const Index&) const = default;

  private:
    uint32_t value_ = 0;
};

using CoreId = Index<struct OfCore>; // 0..cores-1, as the HAL counts
using CellId = Index<struct OfCell>; // index of the cell's window

// Names one fiber of a cell: the slot of its control block, and which of the
// slot's fibers it is; see successor() for when an id comes again. Generations
// start at 1, so none() names nobody; bit 63 stays clear, so an id passes as a
// call's result.
class FiberId {
  public:
    static constexpr uint32_t first_generation = 1;
    static constexpr uint32_t last_generation = 0x7fff'ffff;

    constexpr FiberId() = default;
    constexpr FiberId(uint32_t slot, uint32_t generation) : value_(uint64_t{generation} << 32 | slot) {
        ensure(generation >= first_generation && generation <= last_generation);
    }
    // As a call brought it: may name nobody.
    [[nodiscard]] static constexpr FiberId from_call(rumpk_fiber_id value) {
        FiberId id;
        id.value_ = value;
        return id;
    }
    [[nodiscard]] static constexpr FiberId none() { return FiberId{}; }

    [[nodiscard]] constexpr uint64_t value() const { return value_; }
    [[nodiscard]] constexpr uint32_t slot() const { return static_cast<uint32_t>(value_); }
    [[nodiscard]] constexpr uint32_t generation() const { return static_cast<uint32_t>(value_ >> 32); }
    constexpr bool operator==(const FiberId&) const = default;
    // The id of the slot's next fiber. After 2^31 - 1 fibers in one slot the
    // generations begin again.
    [[nodiscard]] constexpr FiberId successor() const {
        const uint64_t next = value_ + (uint64_t{1} << 32);
        return static_cast<int64_t>(next) < 0 ? FiberId{slot(), first_generation} : from_call(next);
    }

  private:
    uint64_t value_ = 0;
};

// Tiers of the Spectrum. A lower number runs first.
enum class Tier : uint8_t {
    photon = RUMPK_TIER_PHOTON,
    matter = RUMPK_TIER_MATTER,
    gravity = RUMPK_TIER_GRAVITY,
    void_ = RUMPK_TIER_VOID, // `void` is taken
};
inline constexpr uint32_t tier_count = RUMPK_TIER_COUNT;
inline constexpr Tier no_tier{RUMPK_TIER_COUNT}; // below all: of a core on which no fiber runs

[[nodiscard]] constexpr bool runs_before(Tier tier, Tier other) {
    return static_cast<uint8_t>(tier) < static_cast<uint8_t>(other);
}
// EINVAL: there is no such tier.
[[nodiscard]] constexpr Result<Tier> tier_from(uint64_t number) {
    if (number >= tier_count) {
        return error(Errno::inval);
    }
    return static_cast<Tier>(number);
}

// A set of RUMPK_RIGHT_*.
class Rights {
  public:
    constexpr Rights() = default;
    constexpr explicit Rights(uint32_t bits) : bits_(bits) { ensure((bits & ~all_bits) == 0); }
    // EINVAL: an unknown right, or writing together with executing.
    [[nodiscard]] static constexpr Result<Rights> checked(uint64_t bits) {
        if ((bits & ~uint64_t{all_bits}) != 0 || (bits & write_execute) == write_execute) {
            return error(Errno::inval);
        }
        return Rights{static_cast<uint32_t>(bits)};
    }

    [[nodiscard]] constexpr uint32_t bits() const { return bits_; }
    constexpr bool operator==(const Rights&) const = default;
    [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
    [[nodiscard]] constexpr bool contains(Rights other) const { return (other.bits_ & ~bits_) == 0; }
    constexpr Rights operator|(Rights other) const { return Rights{bits_ | other.bits_}; }
    constexpr Rights operator&(Rights other) const { return Rights{bits_ & other.bits_}; }

  private:
    static constexpr uint32_t all_bits =
        RUMPK_RIGHT_READ | RUMPK_RIGHT_WRITE | RUMPK_RIGHT_EXEC | RUMPK_RIGHT_CREATE;
    static constexpr uint32_t write_execute = RUMPK_RIGHT_WRITE | RUMPK_RIGHT_EXEC;
    uint32_t bits_ = 0;
};

inline constexpr Rights right_read{RUMPK_RIGHT_READ};
inline constexpr Rights right_write{RUMPK_RIGHT_WRITE};
inline constexpr Rights right_execute{RUMPK_RIGHT_EXEC};
inline constexpr Rights right_create{RUMPK_RIGHT_CREATE};

} // namespace rumpk
