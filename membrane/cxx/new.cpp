// SPDX-License-Identifier: Apache-2.0
//
// operator new and delete over malloc. There are no exceptions: where the standard would throw
// bad_alloc the program ends and says so; the nothrow forms give a null pointer.
#include <cstdlib>
#include <malloc.h>
#include <new>

#include "start/process.h"

namespace {

[[nodiscard]] void* checked(void* memory) {
    if (memory == nullptr) {
        nexus::detail::die("out of memory (raise `memory` in cell.toml)");
    }
    return memory;
}

// Zero bytes have an address of their own.
[[nodiscard]] void* allocate(size_t size) {
    return malloc(size != 0 ? size : 1);
}

[[nodiscard]] void* allocate(size_t size, std::align_val_t alignment) {
    return memalign(static_cast<size_t>(alignment), size != 0 ? size : 1);
}

} // namespace

void* operator new(size_t size) {
    return checked(allocate(size));
}
void* operator new[](size_t size) {
    return checked(allocate(size));
}
void* operator new(size_t size, const std::nothrow_t&) noexcept {
    return allocate(size);
}
void* operator new[](size_t size, const std::nothrow_t&) noexcept {
    return allocate(size);
}
void* operator new(size_t size, std::align_val_t alignment) {
    return checked(allocate(size, alignment));
}
void* operator new[](size_t size, std::align_val_t alignment) {
    return checked(allocate(size, alignment));
}
void* operator new(size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return allocate(size, alignment);
}
void* operator new[](size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return allocate(size, alignment);
}

void operator delete(void* memory) noexcept {
    free(memory);
}
void operator delete[](void* memory) noexcept {
    free(memory);
}
void operator delete(void* memory, size_t) noexcept {
    free(memory);
}
void operator delete[](void* memory, size_t) noexcept {
    free(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
    free(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
    free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    free(memory);
}
void operator delete[](void* memory, std::align_val_t) noexcept {
    free(memory);
}
void operator delete(void* memory, size_t, std::align_val_t) noexcept {
    free(memory);
}
void operator delete[](void* memory, size_t, std::align_val_t) noexcept {
    free(memory);
}
