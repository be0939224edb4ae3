// SPDX-License-Identifier: Apache-2.0
//
// How a program ends: handlers in reverse order, destructor tables, the last of the output, halt.
#include <cstddef>
#include <cstdlib>
#include <new>
#include <unistd.h>

#include "nexus/console.h"
#include "start/process.h"

using Finalizer = void (*)();
extern "C" {
// Bounds of the destructor table, from membrane/cell.ld.
extern const Finalizer __fini_array_start[];
extern const Finalizer __fini_array_end[];
// What __cxa_atexit is handed; a program is one object, so nobody looks at it.
extern void* const __dso_handle;
void* const __dso_handle = nullptr;
int __cxa_atexit(void (*function)(void*), void* argument, void* object);
}

namespace {

// Handlers, oldest block last. The first block serves without a heap; ISO C asks for at least 32.
struct Handlers {
    static constexpr size_t capacity = 32;
    struct {
        void (*function)(void*);
        void* argument;
    } list[capacity];
    size_t count;
    Handlers* older;
};

constinit Handlers first_block{};
constinit Handlers* newest = &first_block;
constinit bool exiting = false;

[[nodiscard]] bool add_handler(void (*function)(void*), void* argument) {
    if (newest->count == Handlers::capacity) {
        void* const memory = nexus::detail::take_memory(sizeof(Handlers));
        if (memory == nullptr) {
            return false;
        }
        newest = new (memory) Handlers{.list = {}, .count = 0, .older = newest};
    }
    newest->list[newest->count++] = {function, argument};
    return true;
}

// A handler may register another, which then runs next.
void run_handlers() {
    while (newest->count > 0 || newest->older != nullptr) {
        if (newest->count == 0) {
            newest = newest->older;
            continue;
        }
        const auto handler = newest->list[--newest->count];
        handler.function(handler.argument);
    }
}

} // namespace

extern "C" {

int __cxa_atexit(void (*function)(void*), void* argument, void*) {
    return add_handler(function, argument) ? 0 : -1;
}

int atexit(void (*function)()) {
    const auto call = [](void* handler) { reinterpret_cast<Finalizer>(handler)(); };
    return add_handler(call, reinterpret_cast<void*>(function)) ? 0 : -1;
}

[[noreturn]] void exit(int code) {
    if (!exiting) { // a handler that calls exit leaves the rest out
        exiting = true;
        run_handlers();
        for (const Finalizer* each = __fini_array_end; each != __fini_array_start;) {
            (*--each)();
        }
    }
    nexus::console::flush();
    _exit(code);
}

[[noreturn]] void _exit(int code) {
    nexus::detail::end_cell(code);
}

[[noreturn]] void _Exit(int code) {
    nexus::detail::end_cell(code);
}

} // extern "C"

namespace nexus::detail {

void end_cell(int code) {
    (void)call::halt(code & 0xff, RUMPK_SCOPE_CELL);
    __builtin_trap(); // CELL needs no capability: a kernel that refuses it is none
}

} // namespace nexus::detail
