// SPDX-License-Identifier: Apache-2.0
// Promises: what a cell has said it will still do, with the names and the
// meaning of OpenBSD's pledge(2). A set can only shrink.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "abi/call.h"
#include "core/types.h"

namespace rumpk {

enum class Promise : uint8_t {
    stdio = RUMPK_PROMISE_STDIO,
    rpath = RUMPK_PROMISE_RPATH,
    wpath = RUMPK_PROMISE_WPATH,
    cpath = RUMPK_PROMISE_CPATH,
    dpath = RUMPK_PROMISE_DPATH,
    tmppath = RUMPK_PROMISE_TMPPATH,
    inet = RUMPK_PROMISE_INET,
    mcast = RUMPK_PROMISE_MCAST,
    fattr = RUMPK_PROMISE_FATTR,
    chown = RUMPK_PROMISE_CHOWN,
    flock = RUMPK_PROMISE_FLOCK,
    unix_ = RUMPK_PROMISE_UNIX, // `unix` is a macro of some compilers
    dns = RUMPK_PROMISE_DNS,
    getpw = RUMPK_PROMISE_GETPW,
    sendfd = RUMPK_PROMISE_SENDFD,
    recvfd = RUMPK_PROMISE_RECVFD,
    tape = RUMPK_PROMISE_TAPE,
    tty = RUMPK_PROMISE_TTY,
    proc = RUMPK_PROMISE_PROC,
    exec = RUMPK_PROMISE_EXEC,
    prot_exec = RUMPK_PROMISE_PROT_EXEC,
    settime = RUMPK_PROMISE_SETTIME,
    ps = RUMPK_PROMISE_PS,
    vminfo = RUMPK_PROMISE_VMINFO,
    id = RUMPK_PROMISE_ID,
    pf = RUMPK_PROMISE_PF,
    route = RUMPK_PROMISE_ROUTE,
    wroute = RUMPK_PROMISE_WROUTE,
    audio = RUMPK_PROMISE_AUDIO,
    video = RUMPK_PROMISE_VIDEO,
    bpf = RUMPK_PROMISE_BPF,
    unveil = RUMPK_PROMISE_UNVEIL,
    error = RUMPK_PROMISE_ERROR, // a broken promise is answered with ENOSYS and does not kill
};
inline constexpr size_t promise_count = static_cast<size_t>(Promise::error) + 1;

class Promises {
  public:
    constexpr Promises() = default; // none: end, yield, time, meta and pledge remain
    template <typename... Rest>
    constexpr explicit Promises(Promise first, Rest... rest) : bits_((bit(first) | ... | bit(rest))) {}
    // What a cell holds that has not pledged.
    [[nodiscard]] static constexpr Promises all() { return from_bits(all_bits); }

    // From names separated by spaces; the order and repetition do not matter, "" is
    // none. EINVAL: an unknown name, or another separator. E2BIG: longer than
    // RUMPK_PLEDGE_MAX.
    [[nodiscard]] static Result<Promises> parse(std::string_view names);

    [[nodiscard]] constexpr uint64_t bits() const { return bits_; }
    [[nodiscard]] constexpr uint32_t meta_bits() const { return static_cast<uint32_t>(bits_); }
    [[nodiscard]] constexpr bool contains(Promises other) const { return (other.bits_ & ~bits_) == 0; }
    [[nodiscard]] constexpr bool contains(Promise one) const { return (bits_ & bit(one)) != 0; }
    constexpr bool operator==(const Promises&) const = default;

    // This set after pledge(wanted). EPERM: `wanted` has what this lacks. With
    // `error` in this set what is lacking is passed over instead, as OpenBSD does.
    [[nodiscard]] Result<Promises> narrowed(Promises wanted) const;

  private:
    static constexpr uint64_t all_bits = (1ULL << promise_count) - 1;
    static constexpr uint64_t bit(Promise one) { return 1ULL << static_cast<unsigned>(one); }
    static constexpr Promises from_bits(uint64_t bits) {
        Promises set;
        set.bits_ = bits;
        return set;
    }
    friend constexpr Promises operator|(Promises a, Promises b) { return from_bits(a.bits_ | b.bits_); }

    uint64_t bits_ = 0;
};

// What each call needs, by RUMPK_CALL_*. How OpenBSD's table (sys/kern/kern_pledge.c)
// was read:
//  - always allowed there: _exit, sched_yield, pledge itself, the clocks (they need no
//    kernel), asking about oneself. Ours: halt of one's own fiber or cell, yield,
//    pledge, time, meta.
//  - stdio holds read, write, mmap, munmap, getentropy and everything about threads
//    of one's own process; so ours holds read, write, map, unmap, random, and spawn
//    and kill of one's own fibers.
//  - unveil is a promise of its own.
// What a call needs beyond that hangs on its arguments: the four sets below it.
inline constexpr std::array<Promises, RUMPK_CALL_COUNT> promises_of_call = [] {
    std::array<Promises, RUMPK_CALL_COUNT> needs{};
    needs[RUMPK_CALL_UNVEIL] = Promises{Promise::unveil};
    needs[RUMPK_CALL_READ] = Promises{Promise::stdio};
    needs[RUMPK_CALL_WRITE] = Promises{Promise::stdio};
    needs[RUMPK_CALL_MAP] = Promises{Promise::stdio};
    needs[RUMPK_CALL_UNMAP] = Promises{Promise::stdio};
    needs[RUMPK_CALL_SPAWN] = Promises{Promise::stdio};
    needs[RUMPK_CALL_KILL] = Promises{Promise::stdio};
    needs[RUMPK_CALL_RANDOM] = Promises{Promise::stdio};
    return needs;
}();

// map with RUMPK_RIGHT_EXEC: mmap with PROT_EXEC there.
inline constexpr Promises promises_to_map_code{Promise::stdio, Promise::prot_exec};
// spawn of a cell: fork and execve in one.
inline constexpr Promises promises_to_spawn_cell{Promise::proc, Promise::exec};
// kill of another cell: kill(2) of another process.
inline constexpr Promises promises_to_kill_cell{Promise::proc};
// halt of the machine ends every other cell. OpenBSD lets no pledged process
// reboot; here the machine capability is asked for as well, and an appliance that
// pledged must still be able to switch itself off: as much as killing all others.
inline constexpr Promises promises_to_halt_machine{Promise::proc};

} // namespace rumpk
