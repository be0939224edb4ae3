// SPDX-License-Identifier: Apache-2.0
//
// The heap: [heap_base, heap_end) of the cell's window, handed out from a place near the bottom.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <span>
#include <unistd.h>

#include "nexus/call.h"
#include "start/process.h"

namespace nexus::detail {

void draw_secrets() {
    constexpr uint64_t line = 64; // of a cache: what shares one is the same every time
    constexpr uint64_t widest = uint64_t{1} << 20;
    std::array<uint64_t, 2> drawn{};
    if (call::random(std::as_writable_bytes(std::span(drawn)))) {
        process.secret = drawn[0];
        const uint64_t heap = process.self.heap_end - process.self.heap_base;
        const uint64_t places = std::min(heap / 64, widest) / line;
        process.heap_used = places != 0 ? (1 + drawn[1] % places) * line : 0;
    }
}

void* take_memory(size_t bytes) {
    constexpr size_t alignment = 16;
    const size_t rounded = (bytes + alignment - 1) & ~(alignment - 1);
    void* const taken = rounded < bytes ? reinterpret_cast<void*>(-1) : sbrk(static_cast<ptrdiff_t>(rounded));
    return taken == reinterpret_cast<void*>(-1) ? nullptr : taken;
}

} // namespace nexus::detail

extern "C" void* sbrk(ptrdiff_t increment) {
    using nexus::detail::process;
    const uint64_t size = process.self.heap_end - process.self.heap_base;
    const uint64_t used = process.heap_used + static_cast<uint64_t>(increment); // below 0: huge
    if (used > size) {
        errno = ENOMEM;
        return reinterpret_cast<void*>(-1);
    }
    const uint64_t before = process.self.heap_base + process.heap_used;
    process.heap_used = used;
    return reinterpret_cast<void*>(static_cast<uintptr_t>(before));
}
