// SPDX-License-Identifier: Apache-2.0
//
// What -fstack-protector's code calls for; in a program only if one of its functions has an array to guard.
#include <cstdint>

#include "start/process.h"

extern "C" {

uintptr_t __stack_chk_guard = 0x0a'00'ff'0d'5e'ed'c0'de;

// Before all other constructors, and itself unguarded: the value changes under it. The lowest byte
// stays 0, so that a string copied over it stops there.
[[gnu::constructor(101), gnu::no_stack_protector]] static void seed_stack_guard() {
    if (const uint64_t secret = nexus::detail::process.secret; secret != 0) {
        __stack_chk_guard = static_cast<uintptr_t>(secret & ~0xffull);
    }
}

// A function wrote past one of its arrays: nothing more is run on that stack. The report of the fault names
// this function, and in the register of the return address whose array it was.
[[noreturn]] void __stack_chk_fail() {
    __builtin_trap();
}

} // extern "C"
