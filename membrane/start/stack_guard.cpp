// SPDX-License-Identifier: Apache-2.0
//
// What -fstack-protector's code calls for; in a program only if some of its code was compiled so.
#include <cstdint>

#include "nexus/random.h"
#include "start/process.h"

extern "C" {

uintptr_t __stack_chk_guard = 0x0a'00'ff'0d'5e'ed'c0'de;

// Before all other constructors, and itself unguarded: the value changes under it. The lowest byte
// stays 0, so that a string copied over it stops there.
[[gnu::constructor(101), gnu::no_stack_protector]] static void seed_stack_guard() {
    if (const auto drawn = nexus::random<uint64_t>()) {
        __stack_chk_guard = static_cast<uintptr_t>(*drawn & ~0xffull);
    }
}

[[noreturn]] void __stack_chk_fail() {
    nexus::detail::die("stack smashed: a function wrote past one of its arrays");
}

} // extern "C"
