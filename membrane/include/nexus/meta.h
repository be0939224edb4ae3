// SPDX-License-Identifier: Apache-2.0
//
// What the kernel tells of the cell, its fibers and the machine. All read-only; each is one call.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "nexus/call.h"

namespace nexus {

namespace detail {

// One fixed-size answer. A kernel that knows more fields than we do says a larger size and fills ours.
template <class T>
[[nodiscard]] Result<T> meta(uint32_t operation, uint64_t index = 0) {
    T answer{};
    const auto size = call::meta(operation, std::as_writable_bytes(std::span(&answer, 1)), index);
    if (!size) {
        return error(size.error());
    }
    return answer;
}

} // namespace detail

// Who am I: cell, window, heap, home tier and core, promises.
[[nodiscard]] inline Result<rumpk_meta_self> meta_self() {
    return detail::meta<rumpk_meta_self>(RUMPK_META_SELF);
}

// Statistics of the calling core and of memory. Times in ns, memory in bytes.
[[nodiscard]] inline Result<rumpk_meta_system> meta_system() {
    return detail::meta<rumpk_meta_system>(RUMPK_META_SYSTEM);
}

// State and run time of a fiber of this cell; FiberId::none is the caller. ESRCH: it has ended.
[[nodiscard]] inline Result<rumpk_meta_fiber> meta_fiber(FiberId fiber = FiberId::none) {
    return detail::meta<rumpk_meta_fiber>(RUMPK_META_FIBER, static_cast<uint64_t>(fiber));
}

// The capability in a slot, 0..63. EBADF: the slot is empty.
[[nodiscard]] inline Result<rumpk_meta_cap> meta_capability(uint32_t slot) {
    return detail::meta<rumpk_meta_cap>(RUMPK_META_CAPS, slot);
}

enum class RingEnd : uint64_t { rx = 0, tx = 1 };

// Where a ring of the caller stands, as seen by its owner. EBADF: it has none.
[[nodiscard]] inline Result<rumpk_ring_descriptor> meta_ring(RingEnd end) {
    return detail::meta<rumpk_ring_descriptor>(RUMPK_META_RING, static_cast<uint64_t>(end));
}

// The same of another fiber of this cell: for the spawner, who is the other end. ESRCH, EBADF.
[[nodiscard]] inline Result<rumpk_ring_descriptor> meta_ring(FiberId fiber, RingEnd end) {
    return detail::meta<rumpk_ring_descriptor>(RUMPK_META_RING, static_cast<uint64_t>(fiber) << 1 |
                                                                    static_cast<uint64_t>(end));
}

// "rumpk <version> <machine>". The view lives as long as the buffer. EFAULT.
[[nodiscard]] inline Result<std::string_view> meta_version(std::span<char> buffer) {
    const auto size = call::meta(RUMPK_META_VERSION, std::as_writable_bytes(buffer));
    if (!size) {
        return error(size.error());
    }
    return std::string_view(buffer.data(), *size < buffer.size() ? *size : buffer.size());
}

// The machine's name alone, "qemu-riscv64".
[[nodiscard]] inline Result<std::string_view> machine(std::span<char> buffer) {
    const auto version = meta_version(buffer);
    if (!version) {
        return error(version.error());
    }
    std::string_view name = *version;
    name.remove_prefix(name.rfind(' ') + 1); // npos + 1 is 0
    return name;
}

} // namespace nexus
