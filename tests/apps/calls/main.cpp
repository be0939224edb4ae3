// SPDX-License-Identifier: Apache-2.0
//
// Every call with every kind of bad argument: it answers with the error that its page names, and nothing
// else happens. The calls are made by number, past all wrappers.
#include <array>
#include <cstdint>
#include <cstring>
#include <string>

#include <nexus/call.h>
#include <nexus/meta.h>

#include "tests/apps/check.h"

namespace {

using nexus::call::address;
using nexus::call::raw;

// Addresses that are never the program's: null, the first page, past the window, and one whose end wraps.
constexpr uint64_t null = 0;
constexpr uint64_t low = 64;
constexpr uint64_t outside = 0xffff'0000;
constexpr uint64_t last = ~7ull;

std::array<char, 128> buffer;
const char read_only[32] = "read only";

uint64_t text_address() {
    return reinterpret_cast<uintptr_t>(&text_address);
}

void refused(const char* name, int64_t answer, int wanted) {
    test::equal(name, answer, -static_cast<long long>(wanted));
}

void entry(uint64_t) {}

rumpk_spawn_args good_spawn() {
    rumpk_spawn_args args{};
    args.size = sizeof args;
    args.entry = reinterpret_cast<uintptr_t>(entry);
    args.tier = RUMPK_TIER_GRAVITY;
    args.core = RUMPK_SPAWN_ANY_CORE;
    return args;
}

template <class Change>
void spawn_refused(const char* name, int wanted, Change change) {
    rumpk_spawn_args args = good_spawn();
    change(args);
    refused(name, raw(RUMPK_CALL_SPAWN, address(&args)), wanted);
}

void check_read_write() {
    const uint64_t good = address(buffer.data());
    refused("read of descriptor 1", raw(RUMPK_CALL_READ, 1, good, 8), RUMPK_EBADF);
    refused("read of descriptor ~0", raw(RUMPK_CALL_READ, ~0ull, good, 8), RUMPK_EBADF);
    refused("read of too much", raw(RUMPK_CALL_READ, 0, good, RUMPK_IO_MAX + 1), RUMPK_EINVAL);
    refused("read of ~0 bytes", raw(RUMPK_CALL_READ, 0, good, ~0ull), RUMPK_EINVAL);
    refused("read to null", raw(RUMPK_CALL_READ, 0, null, 8), RUMPK_EFAULT);
    refused("read past the window", raw(RUMPK_CALL_READ, 0, outside, 8), RUMPK_EFAULT);
    refused("read to an end that wraps", raw(RUMPK_CALL_READ, 0, last, 64), RUMPK_EFAULT);
    refused("read into text", raw(RUMPK_CALL_READ, 0, text_address(), 8), RUMPK_EFAULT);
    refused("read into read-only data", raw(RUMPK_CALL_READ, 0, address(read_only), 8), RUMPK_EFAULT);
    test::equal("read of nothing", raw(RUMPK_CALL_READ, 0, null, 0), 0);
    refused("write to descriptor 0", raw(RUMPK_CALL_WRITE, 0, good, 8), RUMPK_EBADF);
    refused("write to descriptor 2", raw(RUMPK_CALL_WRITE, 2, good, 8), RUMPK_EBADF);
    refused("write of too much", raw(RUMPK_CALL_WRITE, 1, good, RUMPK_IO_MAX + 1), RUMPK_EINVAL);
    refused("write from null", raw(RUMPK_CALL_WRITE, 1, null, 8), RUMPK_EFAULT);
    refused("write from the first page", raw(RUMPK_CALL_WRITE, 1, low, 8), RUMPK_EFAULT);
    refused("write from past the window", raw(RUMPK_CALL_WRITE, 1, outside, 8), RUMPK_EFAULT);
    refused("write from an end that wraps", raw(RUMPK_CALL_WRITE, 1, last, 64), RUMPK_EFAULT);
    test::equal("write of nothing", raw(RUMPK_CALL_WRITE, 1, null, 0), 0);
}

void check_map() {
    constexpr uint64_t memory = RUMPK_HANDLE_MEMORY;
    constexpr uint64_t rw = RUMPK_RIGHT_READ | RUMPK_RIGHT_WRITE;
    refused("map of handle 0", raw(RUMPK_CALL_MAP, 0, 0, 4096, rw), RUMPK_EBADF);
    refused("map of handle 63", raw(RUMPK_CALL_MAP, 63, 0, 4096, rw), RUMPK_EBADF);
    refused("map of handle 1 << 40", raw(RUMPK_CALL_MAP, 1ull << 40, 0, 4096, rw), RUMPK_EBADF);
    refused("map at an offset", raw(RUMPK_CALL_MAP, memory, 4096, 4096, rw), RUMPK_EINVAL);
    refused("map of nothing", raw(RUMPK_CALL_MAP, memory, 0, 0, rw), RUMPK_EINVAL);
    refused("map writable and executable", raw(RUMPK_CALL_MAP, memory, 0, 4096, rw | RUMPK_RIGHT_EXEC),
            RUMPK_EINVAL);
    refused("map with an unknown right", raw(RUMPK_CALL_MAP, memory, 0, 4096, rw | 1u << 20), RUMPK_EINVAL);
    refused("map of more than there is", raw(RUMPK_CALL_MAP, memory, 0, 1ull << 40, rw), RUMPK_ENOMEM);
    refused("map of ~0 bytes", raw(RUMPK_CALL_MAP, memory, 0, ~0ull, rw), RUMPK_ENOMEM);

    const int64_t mapped = raw(RUMPK_CALL_MAP, memory, 0, 8192, rw);
    if (!test::check("map of two pages", mapped > 0 && mapped % 4096 == 0)) {
        return;
    }
    const auto at = static_cast<uint64_t>(mapped);
    auto* const bytes = reinterpret_cast<char*>(static_cast<uintptr_t>(at));
    bool zero = true;
    for (size_t i = 0; i < 8192; ++i) {
        zero &= bytes[i] == 0;
    }
    test::check("they are zero", zero);
    std::memset(bytes, 0x5a, 8192);
    refused("unmap of half a page", raw(RUMPK_CALL_UNMAP, at, 2048), RUMPK_EINVAL);
    refused("unmap at half a page", raw(RUMPK_CALL_UNMAP, at + 2048, 4096), RUMPK_EINVAL);
    refused("unmap of nothing", raw(RUMPK_CALL_UNMAP, at, 0), RUMPK_EINVAL);
    refused("unmap of more than was mapped", raw(RUMPK_CALL_UNMAP, at, 64 * 4096), RUMPK_EFAULT);
    refused("unmap of the program", raw(RUMPK_CALL_UNMAP, RUMPK_WINDOW_A, 4096), RUMPK_EFAULT);
    refused("unmap of null", raw(RUMPK_CALL_UNMAP, 0, 4096), RUMPK_EFAULT);
    refused("unmap of an end that wraps", raw(RUMPK_CALL_UNMAP, ~4095ull, 8192), RUMPK_EFAULT);
    test::equal("unmap", raw(RUMPK_CALL_UNMAP, at, 8192), 0);
    refused("unmap again", raw(RUMPK_CALL_UNMAP, at, 8192), RUMPK_EFAULT);
    const int64_t again = raw(RUMPK_CALL_MAP, memory, 0, 8192, rw);
    test::check("mapped again it is zero", again == mapped && bytes[0] == 0 && bytes[8191] == 0);
}

void check_spawn() {
    refused("spawn from null", raw(RUMPK_CALL_SPAWN, null), RUMPK_EFAULT);
    refused("spawn from past the window", raw(RUMPK_CALL_SPAWN, outside), RUMPK_EFAULT);
    refused("spawn from an end that wraps", raw(RUMPK_CALL_SPAWN, last), RUMPK_EFAULT);
    spawn_refused("spawn with another size", RUMPK_EINVAL, [](auto& args) { args.size = 72; });
    spawn_refused("spawn with an unknown flag", RUMPK_EINVAL, [](auto& args) { args.flags = 1u << 31; });
    spawn_refused("spawn with a budget that the cell lacks", RUMPK_EINVAL,
                  [](auto& args) { args.budget = 1; });
    spawn_refused("spawn in tier 4", RUMPK_EINVAL, [](auto& args) { args.tier = 4; });
    spawn_refused("spawn in another tier, not bare", RUMPK_EPERM,
                  [](auto& args) { args.tier = RUMPK_TIER_VOID; });
    spawn_refused("spawn above the ceiling", RUMPK_EPERM, [](auto& args) {
        args.tier = RUMPK_TIER_PHOTON;
        args.flags = RUMPK_SPAWN_BARE;
    });
    spawn_refused("spawn on core 1000", RUMPK_EINVAL, [](auto& args) { args.core = 1000; });
    spawn_refused("spawn at null", RUMPK_EFAULT, [](auto& args) { args.entry = 0; });
    spawn_refused("spawn in data", RUMPK_EFAULT, [](auto& args) { args.entry = address(buffer.data()); });
    spawn_refused("spawn past the window", RUMPK_EFAULT, [](auto& args) { args.entry = outside; });
    spawn_refused("spawn on a stack at null page", RUMPK_EFAULT, [](auto& args) {
        args.stack_base = low;
        args.stack_size = 4096;
    });
    spawn_refused("spawn on a crooked stack", RUMPK_EINVAL, [](auto& args) {
        args.stack_base = address(buffer.data()) | 1;
        args.stack_size = 4096;
    });
    spawn_refused("spawn on a tiny stack", RUMPK_EINVAL, [](auto& args) { args.stack_size = 16; });
    spawn_refused("spawn on a stack of 1032 bytes", RUMPK_EINVAL, [](auto& args) { args.stack_size = 1032; });
    spawn_refused("spawn on a stack past the window", RUMPK_EFAULT, [](auto& args) {
        args.stack_base = outside;
        args.stack_size = 4096;
    });
    spawn_refused("spawn on a stack whose end wraps", RUMPK_EFAULT, [](auto& args) {
        args.stack_base = ~15ull;
        args.stack_size = 4096;
    });
    spawn_refused("spawn on a pooled stack of 1 MiB", RUMPK_EINVAL,
                  [](auto& args) { args.stack_size = 1u << 20; });
    spawn_refused("spawn with three slots", RUMPK_EINVAL, [](auto& args) {
        args.rx_slots = 3;
        args.rx_slot_size = 64;
    });
    spawn_refused("spawn with slots of 24 bytes", RUMPK_EINVAL, [](auto& args) {
        args.tx_slots = 4;
        args.tx_slot_size = 24;
    });
    spawn_refused("spawn with rings too large", RUMPK_ERANGE, [](auto& args) {
        args.rx_slots = 1024;
        args.rx_slot_size = 1024;
    });
}

void check_kill() {
    refused("kill of nobody", raw(RUMPK_CALL_KILL, 0, 1), RUMPK_ESRCH);
    refused("kill of ~0", raw(RUMPK_CALL_KILL, ~0ull, 1), RUMPK_ESRCH);
    const rumpk_spawn_args good = good_spawn();
    const int64_t fiber = raw(RUMPK_CALL_SPAWN, address(&good));
    const auto id = static_cast<uint64_t>(fiber);
    test::check("spawn", fiber > 0);
    refused("kill for reason 0", raw(RUMPK_CALL_KILL, id, 0), RUMPK_EINVAL);
    refused("kill for reason 256", raw(RUMPK_CALL_KILL, id, 256), RUMPK_EINVAL);
    refused("kill of another generation", raw(RUMPK_CALL_KILL, id + (1ull << 32), 1), RUMPK_ESRCH);
    test::equal("kill", raw(RUMPK_CALL_KILL, id, 9), 0);
    refused("kill again", raw(RUMPK_CALL_KILL, id, 9), RUMPK_ESRCH);
    refused("kill in a slot that there is not", raw(RUMPK_CALL_KILL, id | 0xffff'ffff, 1), RUMPK_ESRCH);
    const auto returned = static_cast<uint64_t>(raw(RUMPK_CALL_SPAWN, address(&good)));
    (void)raw(RUMPK_CALL_YIELD);
    refused("kill of one that has returned", raw(RUMPK_CALL_KILL, returned, 1), RUMPK_ESRCH);
    int64_t spawned = 0;
    for (int i = 0; i < 5000 && spawned >= 0; ++i) {
        spawned = raw(RUMPK_CALL_SPAWN, address(&good));
    }
    refused("spawn of more than the manifest allows", spawned, RUMPK_ENOMEM);
    (void)raw(RUMPK_CALL_YIELD); // they all run and end
    const int64_t after = raw(RUMPK_CALL_SPAWN, address(&good));
    test::check("their slots are free again", after > 0);
    (void)raw(RUMPK_CALL_YIELD);
}

const std::array<uint64_t, 1> nobody{};

void check_yield() {
    const uint64_t peer = ~0ull >> 1;
    refused("yield with an unknown flag", raw(RUMPK_CALL_YIELD, 0, 0, 0, 8), RUMPK_EINVAL);
    refused("yield on channel 63", raw(RUMPK_CALL_YIELD, 1ull << 63, 0, 0, 0), RUMPK_EINVAL);
    refused("yield on an empty slot", raw(RUMPK_CALL_YIELD, 1ull << 40, 0, 0, 0), RUMPK_EBADF);
    refused("a bell on channel 63", raw(RUMPK_CALL_YIELD, 0, 1ull << 63, 0, 0), RUMPK_EINVAL);
    refused("a bell on an empty slot", raw(RUMPK_CALL_YIELD, 0, 1ull << 40, 0, 0), RUMPK_EBADF);
    refused("peers at null", raw(RUMPK_CALL_YIELD, 0, 0, 0, 1, null, 1), RUMPK_EFAULT);
    refused("peers past the window", raw(RUMPK_CALL_YIELD, 0, 0, 0, 1, outside, 1), RUMPK_EFAULT);
    refused("65 peers", raw(RUMPK_CALL_YIELD, 0, 0, 0, 1, address(buffer.data()), 65), RUMPK_EINVAL);
    refused("~0 peers", raw(RUMPK_CALL_YIELD, 0, 0, 0, 1, address(buffer.data()), ~0ull), RUMPK_EINVAL);
    refused("a peer that is none", raw(RUMPK_CALL_YIELD, 0, 0, 0, 1, address(&peer), 1), RUMPK_ESRCH);
    const auto watch = [&](uint64_t bell, uint64_t count) {
        return raw(RUMPK_CALL_YIELD, 0, bell, 0, RUMPK_YIELD_END | RUMPK_YIELD_NOWAIT, address(&peer), count);
    };
    refused("the end of nobody", watch(0, 0), RUMPK_EINVAL);
    refused("the end of two", watch(0, 2), RUMPK_EINVAL);
    refused("the end of one, with a bell", watch(RUMPK_CHANNEL_RX, 1), RUMPK_EINVAL);
    refused("the end of a peer that is none", watch(0, 1), RUMPK_ESRCH);
    // The same in one call with a wait, which must not begin.
    const auto ring_and_wait = [](uint64_t peers) {
        return raw(RUMPK_CALL_YIELD, RUMPK_CHANNEL_TX, 0, RUMPK_NEVER, 0, peers, 1);
    };
    const uint64_t elsewhere[] = {peer, peer};
    refused("a wait and peers at null", ring_and_wait(null), RUMPK_EFAULT);
    refused("a wait and peers past the window", ring_and_wait(outside), RUMPK_EFAULT);
    refused("a wait and peers at ~0", ring_and_wait(~0ull), RUMPK_EFAULT);
    refused("a wait and a peer that is none", ring_and_wait(address(&peer)), RUMPK_ESRCH);
    refused("a wait and such a peer at an odd address", ring_and_wait(address(elsewhere) + 3), RUMPK_ESRCH);
    refused("a wait and such a peer off the stack", ring_and_wait(address(nobody.data())), RUMPK_ESRCH);
    refused("nothing latched", raw(RUMPK_CALL_YIELD, RUMPK_CHANNEL_TX, 0, 0, 1), RUMPK_EAGAIN);
}

// Who waited for the end of a fiber hears nothing of the next one in its slot.
void check_watched_slot() {
    rumpk_spawn_args args = good_spawn();
    const auto begin = [&args](void (*entry)(uint64_t)) {
        args.entry = reinterpret_cast<uintptr_t>(entry);
        return static_cast<uint64_t>(raw(RUMPK_CALL_SPAWN, address(&args)));
    };
    const auto heard = [] { return raw(RUMPK_CALL_YIELD, RUMPK_CHANNEL_RX, 0, 0, RUMPK_YIELD_NOWAIT); };
    const uint64_t watched = begin([](uint64_t) {});
    test::equal("the end of another, watched",
                raw(RUMPK_CALL_YIELD, 0, 0, 0, RUMPK_YIELD_END | RUMPK_YIELD_NOWAIT, address(&watched), 1),
                0);
    (void)raw(RUMPK_CALL_YIELD); // it ends by itself
    (void)heard();
    const uint64_t next = begin([](uint64_t) { (void)raw(RUMPK_CALL_YIELD, 2, 0, RUMPK_NEVER); });
    test::check("the slot is used again", static_cast<uint32_t>(next) == static_cast<uint32_t>(watched));
    test::equal("the next one is killed", raw(RUMPK_CALL_KILL, next, 1), 0);
    refused("a bell for the end of the next one", heard(), RUMPK_EAGAIN);
}

// The last moment that there is, and those that have passed: a deadline each, and none disturbs another.
void check_deadlines() {
    constexpr uint64_t last_moment = RUMPK_NEVER - 1;
    rumpk_spawn_args args = good_spawn();
    args.entry =
        reinterpret_cast<uintptr_t>(+[](uint64_t) { (void)raw(RUMPK_CALL_YIELD, 0, 0, last_moment); });
    const int64_t sleeper = raw(RUMPK_CALL_SPAWN, address(&args));
    (void)raw(RUMPK_CALL_YIELD); // it sleeps
    for (const uint64_t passed : {uint64_t{1}, static_cast<uint64_t>(raw(RUMPK_CALL_TIME, 0))}) {
        refused("a wait until a moment that has passed",
                raw(RUMPK_CALL_YIELD, RUMPK_CHANNEL_TX, 0, passed, 0), RUMPK_ETIMEDOUT);
    }
    const auto until = static_cast<uint64_t>(raw(RUMPK_CALL_TIME, 0)) + 1'000'000;
    test::equal("a millisecond beside a sleep until the last moment", raw(RUMPK_CALL_YIELD, 0, 0, until), 0);
    test::check("is over in time", static_cast<uint64_t>(raw(RUMPK_CALL_TIME, 0)) >= until);
    test::equal("and the long sleep is not", raw(RUMPK_CALL_KILL, static_cast<uint64_t>(sleeper), 1), 0);
}

void check_time_random_halt() {
    refused("time of clock 2", raw(RUMPK_CALL_TIME, 2), RUMPK_EINVAL);
    refused("time of clock ~0", raw(RUMPK_CALL_TIME, ~0ull), RUMPK_EINVAL);
    refused("random of too much", raw(RUMPK_CALL_RANDOM, address(buffer.data()), RUMPK_IO_MAX + 1),
            RUMPK_EINVAL);
    refused("random to null", raw(RUMPK_CALL_RANDOM, null, 8), RUMPK_EFAULT);
    refused("random into text", raw(RUMPK_CALL_RANDOM, text_address(), 8), RUMPK_EFAULT);
    refused("random to an end that wraps", raw(RUMPK_CALL_RANDOM, last, 64), RUMPK_EFAULT);
    refused("halt of scope 3", raw(RUMPK_CALL_HALT, 0, 3), RUMPK_EINVAL);
    refused("halt of scope ~0", raw(RUMPK_CALL_HALT, 0, ~0ull), RUMPK_EINVAL);
    refused("call number 13", raw(RUMPK_CALL_COUNT), RUMPK_ENOSYS);
}

void check_meta() {
    const uint64_t good = address(buffer.data());
    test::equal("meta of nothing", raw(RUMPK_CALL_META, RUMPK_META_NULL, null, ~0ull, ~0ull), 0);
    refused("meta 1000", raw(RUMPK_CALL_META, 1000, good, 8, 0), RUMPK_ENOSYS);
    refused("meta ~0", raw(RUMPK_CALL_META, ~0ull, good, 8, 0), RUMPK_ENOSYS);
    refused("meta to null", raw(RUMPK_CALL_META, RUMPK_META_SELF, null, 8, 0), RUMPK_EFAULT);
    refused("meta into text", raw(RUMPK_CALL_META, RUMPK_META_SELF, text_address(), 8, 0), RUMPK_EFAULT);
    refused("meta past the window", raw(RUMPK_CALL_META, RUMPK_META_SELF, outside, 8, 0), RUMPK_EFAULT);
    refused("meta of capability 0", raw(RUMPK_CALL_META, RUMPK_META_CAPS, good, 64, 0), RUMPK_EBADF);
    refused("meta of capability 63", raw(RUMPK_CALL_META, RUMPK_META_CAPS, good, 64, 63), RUMPK_EBADF);
    refused("meta of fiber ~0", raw(RUMPK_CALL_META, RUMPK_META_FIBER, good, 64, ~0ull), RUMPK_ESRCH);
    test::equal("a short buffer is told the size", raw(RUMPK_CALL_META, RUMPK_META_SELF, good, 4, 0),
                sizeof(rumpk_meta_self));
    std::memset(buffer.data(), 0x5a, buffer.size());
    (void)raw(RUMPK_CALL_META, RUMPK_META_SELF, good, 4, 0);
    test::check("and nothing past it is written", buffer[4] == 0x5a);
    test::equal("length 0 asks for the size", raw(RUMPK_CALL_META, RUMPK_META_SYSTEM, null, 0, 0),
                sizeof(rumpk_meta_system));
    const auto console = nexus::meta_capability(2);
    test::check("slot 2 is the console", console && console->kind == RUMPK_CAP_CONSOLE);
    const auto system = nexus::meta_system();
    test::check("nothing was allocated after boot", system && system->allocations_after_boot == 0);
}

void check_unveil_pledge() {
    const std::string path = "/etc";
    refused("unveil at null", raw(RUMPK_CALL_UNVEIL, null, 4, RUMPK_RIGHT_READ), RUMPK_EFAULT);
    refused("unveil past the window", raw(RUMPK_CALL_UNVEIL, outside, 4, RUMPK_RIGHT_READ), RUMPK_EFAULT);
    refused("unveil of 256 bytes", raw(RUMPK_CALL_UNVEIL, address(path.data()), 256, RUMPK_RIGHT_READ),
            RUMPK_E2BIG);
    refused("unveil of a relative path", raw(RUMPK_CALL_UNVEIL, address("etc"), 3, RUMPK_RIGHT_READ),
            RUMPK_EINVAL);
    refused("unveil of a path with ..", raw(RUMPK_CALL_UNVEIL, address("/a/../b"), 7, RUMPK_RIGHT_READ),
            RUMPK_EINVAL);
    refused("unveil with an unknown right", raw(RUMPK_CALL_UNVEIL, address(path.data()), 4, 1u << 30),
            RUMPK_EINVAL);
    test::equal("unveil", raw(RUMPK_CALL_UNVEIL, address(path.data()), 4, RUMPK_RIGHT_READ), 0);
    test::equal("lock", raw(RUMPK_CALL_UNVEIL, 0, 0, 0), 0);
    refused("unveil once locked", raw(RUMPK_CALL_UNVEIL, address(path.data()), 4, RUMPK_RIGHT_READ),
            RUMPK_EPERM);

    static std::array<char, 512> long_list;
    long_list.fill('a');
    refused("pledge at null", raw(RUMPK_CALL_PLEDGE, null), RUMPK_EFAULT);
    refused("pledge past the window", raw(RUMPK_CALL_PLEDGE, outside), RUMPK_EFAULT);
    refused("pledge of a list without end", raw(RUMPK_CALL_PLEDGE, address(long_list.data())), RUMPK_E2BIG);
    refused("pledge of an unknown promise", raw(RUMPK_CALL_PLEDGE, address("stdio magic")), RUMPK_EINVAL);
    test::equal("pledge", raw(RUMPK_CALL_PLEDGE, address("stdio rpath")), 0);
    test::equal("pledge of less", raw(RUMPK_CALL_PLEDGE, address("stdio")), 0);
    refused("pledge of what was given up", raw(RUMPK_CALL_PLEDGE, address("stdio rpath")), RUMPK_EPERM);
}

} // namespace

int main() {
    check_read_write();
    check_map();
    check_spawn();
    check_kill();
    check_yield();
    check_watched_slot();
    check_deadlines();
    check_time_random_halt();
    check_meta();
    check_unveil_pledge();
    return test::result();
}
