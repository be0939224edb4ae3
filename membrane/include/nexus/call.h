// SPDX-License-Identifier: Apache-2.0
//
// The thirteen calls as inline functions: one load from the SysTable and one indirect call each
// (in a fused image that is a plain function call into the kernel, else a trap). Nothing is checked
// here that the kernel checks. abi/call.h is the contract, docs/calls/ has a page for each; the rest
// of <nexus/...> is more comfortable and made of nothing else.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "abi/call.h"
#include "nexus/result.h"

namespace nexus {

// Names a fiber of this cell for as long as it lives, and nothing afterwards.
enum class FiberId : uint64_t { none = 0 };

// Tiers of the Spectrum, highest first.
enum class Tier : uint32_t {
    photon = RUMPK_TIER_PHOTON,
    matter = RUMPK_TIER_MATTER,
    gravity = RUMPK_TIER_GRAVITY,
    // `void` is a keyword of C++.
    void_ = RUMPK_TIER_VOID,
};

// The table at its fixed address, read-only, valid for the whole life of the program.
[[nodiscard]] inline const rumpk_systable& systable() {
    return *reinterpret_cast<const rumpk_systable*>(static_cast<uintptr_t>(RUMPK_SYSTABLE_ADDRESS));
}

} // namespace nexus

namespace nexus::call {

namespace detail {

// Is the caller on the tier and the core of the fibers that use libc?
[[nodiscard]] bool is_at_home();

} // namespace detail

// Any call by number, as abi/call.h describes it: >= 0 a result, < 0 a negated error number. A number
// outside the table is ENOSYS.
inline int64_t raw(uint32_t number, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0, uint64_t d = 0,
                   uint64_t e = 0, uint64_t f = 0) {
    if (number >= RUMPK_CALL_COUNT) {
        return -RUMPK_ENOSYS;
    }
    return reinterpret_cast<rumpk_call>(systable().call[number])(a, b, c, d, e, f);
}

// An address as the calls take it.
[[nodiscard]] inline uint64_t address(const volatile void* pointer) {
    return reinterpret_cast<uintptr_t>(pointer);
}

// Narrows the cell's promises to those named (OpenBSD's names, separated by spaces, NUL-terminated,
// at most RUMPK_PLEDGE_MAX bytes). One way. EFAULT, E2BIG; EINVAL: an unknown name; EPERM: one that
// was given up before.
[[nodiscard]] inline Result<void> pledge(const char* promises) {
    return success_of(raw(RUMPK_CALL_PLEDGE, address(promises)));
}

// Makes a path visible with RUMPK_RIGHT_* rights. EFAULT, EINVAL, E2BIG (path), ENOMEM (table full),
// EPERM (locked).
[[nodiscard]] inline Result<void> unveil(std::string_view path, uint32_t rights) {
    return success_of(raw(RUMPK_CALL_UNVEIL, address(path.data()), path.size(), rights));
}

// No path becomes visible any more.
[[nodiscard]] inline Result<void> unveil_lock() {
    return success_of(raw(RUMPK_CALL_UNVEIL, 0, 0, 0));
}

// Bytes of the console past the rings: at most RUMPK_IO_MAX a call. Does not wait. For early boot and
// for images without rings; nexus/console.h is the way for data. EBADF, EFAULT, EINVAL (length),
// EAGAIN (nothing there). 0: the input has ended.
[[nodiscard]] inline Result<size_t> read(uint32_t descriptor, std::span<std::byte> buffer) {
    return result_of(raw(RUMPK_CALL_READ, descriptor, address(buffer.data()), buffer.size()));
}

// Writes to the console past the rings; at most RUMPK_IO_MAX a call. Bytes written. EBADF, EFAULT, EINVAL.
[[nodiscard]] inline Result<size_t> write(uint32_t descriptor, std::span<const std::byte> bytes) {
    return result_of(raw(RUMPK_CALL_WRITE, descriptor, address(bytes.data()), bytes.size()));
}

// Maps `length` bytes (a multiple of 4096) at `offset` of what the handle names: a capability slot, or
// RUMPK_HANDLE_MEMORY for zeroed memory from the cell's own pool. Rights are RUMPK_RIGHT_*; writable
// together with executable is EINVAL. EBADF, EINVAL, ENOMEM, EPERM.
[[nodiscard]] inline Result<void*> map(uint64_t handle, uint64_t offset, size_t length, uint32_t rights) {
    const auto at = result_of(raw(RUMPK_CALL_MAP, handle, offset, length, rights));
    if (!at) {
        return error(at.error());
    }
    return reinterpret_cast<void*>(static_cast<uintptr_t>(*at));
}

// Takes back what `map` gave. EFAULT, EINVAL: not a range that map returned.
[[nodiscard]] inline Result<void> unmap(void* start, size_t length) {
    return success_of(raw(RUMPK_CALL_UNMAP, address(start), length));
}

// A new fiber. EFAULT, EINVAL, EPERM (tier above the ceiling, core outside the set, another tier
// without BARE), ENOMEM (no slot, no stack), ERANGE (rings larger than the manifest's).
[[nodiscard]] inline Result<FiberId> spawn(const rumpk_spawn_args& args) {
    const auto id = result_of(raw(RUMPK_CALL_SPAWN, address(&args)));
    if (!id) {
        return error(id.error());
    }
    return static_cast<FiberId>(*id);
}

// Ends another fiber of this cell; reason 1..RUMPK_KILL_REASON_MAX. ESRCH, EINVAL.
[[nodiscard]] inline Result<void> kill(FiberId fiber, uint32_t reason) {
    return success_of(raw(RUMPK_CALL_KILL, static_cast<uint64_t>(fiber), reason));
}

// The scheduling call: rings `bell` (channel bits) and `peers` (fiber ids, RUMPK_PEER_TX for the
// second bell), then waits until one of `wait` is ready or `deadline` (monotonic ns) has passed. The
// channels that were ready. EAGAIN: NOWAIT and none; ETIMEDOUT; EBADF: no such channel; EINVAL, EFAULT,
// ESRCH (peers). wait 0: with deadline 0 the end of the turn, with a later one a sleep; both give 0.
// errno is the caller's own again when this returns, whoever ran meanwhile. A bare fiber has none: it may
// have interrupted the one whose number stands there, so what it saw before it slept is not put back.
[[nodiscard]] inline Result<uint64_t> yield(uint64_t wait, uint64_t bell, uint64_t deadline, uint32_t flags,
                                            std::span<const uint64_t> peers = {}) {
    const int own_errno = errno;
    const int64_t answer =
        raw(RUMPK_CALL_YIELD, wait, bell, deadline, flags, address(peers.data()), peers.size());
    if (errno != own_errno && detail::is_at_home()) {
        errno = own_errno;
    }
    return result_of(answer);
}

// ns of a rumpk_clock. EINVAL; ENODEV: the machine has no such clock.
[[nodiscard]] inline Result<uint64_t> time(uint32_t clock) {
    return result_of(raw(RUMPK_CALL_TIME, clock));
}

// Fills the buffer (at most RUMPK_IO_MAX bytes) from the kernel's generator. EFAULT, EINVAL; EAGAIN: the
// machine gave no entropy to start from.
[[nodiscard]] inline Result<void> random(std::span<std::byte> buffer) {
    return success_of(raw(RUMPK_CALL_RANDOM, address(buffer.data()), buffer.size()));
}

// Ends the fiber, the cell or the machine (rumpk_scope); comes back only with the reason why not:
// EINVAL, EPERM (no machine capability).
[[nodiscard]] inline Errno halt(int64_t code, uint32_t scope) {
    return static_cast<Errno>(-raw(RUMPK_CALL_HALT, static_cast<uint64_t>(code), scope));
}

// One rumpk_meta_op into the buffer; the bytes there are, which may be more than fit. EFAULT, EINVAL,
// ENOSYS (no such operation), and the operation's own. nexus/meta.h has one function for each.
[[nodiscard]] inline Result<size_t> meta(uint32_t operation, std::span<std::byte> buffer,
                                         uint64_t index = 0) {
    return result_of(raw(RUMPK_CALL_META, operation, address(buffer.data()), buffer.size(), index));
}

} // namespace nexus::call
