// SPDX-License-Identifier: Apache-2.0
//
// memcpy for a kernel that has no C library under it. What the kernel copies while
// interrupts are masked are small structs, nearly all of whole aligned words; the C
// library's small memcpy goes byte by byte.
#include <cstddef>
#include <cstdint>

extern "C" void* memcpy(void* __restrict to, const void* __restrict from, size_t size) {
    auto* out = static_cast<unsigned char*>(to);
    const auto* in = static_cast<const unsigned char*>(from);
    using Word [[gnu::may_alias]] = uint64_t;
    if (((reinterpret_cast<uintptr_t>(out) | reinterpret_cast<uintptr_t>(in)) & (sizeof(Word) - 1)) == 0) {
        for (; size >= sizeof(Word); size -= sizeof(Word)) {
            *reinterpret_cast<Word*>(out) = *reinterpret_cast<const Word*>(in);
            out += sizeof(Word);
            in += sizeof(Word);
        }
    }
    for (; size != 0; --size) {
        *out++ = *in++;
    }
    return to;
}
