// SPDX-License-Identifier: Apache-2.0
//
// Random bytes: two draws differ, every way to get them works, limits hold. Prints `no entropy` and ends
// with 2 on a machine that gives none.
#include <array>
#include <cerrno>
#include <cstdint>
#include <sys/random.h>
#include <unistd.h>

#include <nexus/random.h>

#include "tests/apps/check.h"

extern "C" const uintptr_t __stack_chk_guard;

namespace {

// Of 64 KiB that are random about 32768 * 8 bits are set; 1 % off would be 37 standard deviations.
bool looks_random(std::span<const std::byte> bytes) {
    size_t set = 0;
    for (const std::byte byte : bytes) {
        set += static_cast<size_t>(__builtin_popcount(static_cast<unsigned>(byte)));
    }
    const size_t half = bytes.size() * 4;
    return set > half - half / 100 && set < half + half / 100;
}

} // namespace

int main() {
    const auto first = nexus::random<uint64_t>();
    const auto second = nexus::random<uint64_t>();
    if (!first && first.error() == nexus::Errno::again) {
        std::puts("no entropy");
        return 2;
    }
    test::check("two draws differ", first && second && *first != *second);

    test::check("the stack guard is none that a program's file tells",
                __stack_chk_guard != 0x0a'00'ff'0d'5e'ed'c0'de);
    test::equal("and a string that is copied over it stops there",
                static_cast<long long>(__stack_chk_guard & 0xff), 0);

    static std::array<std::byte, 200'000> large; // more than one call takes
    test::check("a long draw", nexus::random(large).has_value());
    test::check("its start is random", looks_random(std::span(large).first(65536)));
    test::check("its end is random", looks_random(std::span(large).last(65536)));

    uint64_t drawn = 0;
    test::check("getentropy", getentropy(&drawn, sizeof drawn) == 0 && drawn != *first);
    std::array<char, 257> too_many;
    test::check("getentropy of 257 bytes is EIO",
                getentropy(too_many.data(), too_many.size()) == -1 && errno == EIO);
    test::equal("getrandom", getrandom(large.data(), large.size(), 0), static_cast<long long>(large.size()));
    test::check("getrandom with an unknown flag is EINVAL",
                getrandom(&drawn, 8, 64) == -1 && errno == EINVAL);
    return test::result();
}
