// SPDX-License-Identifier: Apache-2.0
//
// Where a program begins. The kernel has mapped the segments, zeroed bss, and calls the ELF's entry as
// a function on the first fiber's stack; there is nothing left that needs assembly.
#include <cstdlib>

#include "nexus/fiber.h"
#include "nexus/meta.h"
#include "start/process.h"

// `main` by its symbol: C++ lets no one call it by its name.
extern "C" int program_main(int argc, char** argv, char** environment) __asm__("main");

// Bounds of the constructor tables, from membrane/cell.ld.
using Initializer = void (*)();
extern "C" {
extern const Initializer __init_array_start[];
extern const Initializer __init_array_end[];
extern char** environ;
}

namespace nexus::detail {

constinit Process process{};

namespace {

// Is what stands at the fixed address the table this program was built for? abi may count up: what is
// there is never changed, only added to.
[[nodiscard]] bool systable_is_ours() {
    const rumpk_systable& table = systable();
    return table.magic == RUMPK_SYSTABLE_MAGIC && table.size == RUMPK_SYSTABLE_SIZE &&
           table.abi >= RUMPK_ABI_VERSION;
}

void run_constructors() {
    for (const Initializer* each = __init_array_start; each != __init_array_end; ++each) {
        (*each)();
    }
}

} // namespace

} // namespace nexus::detail

extern "C" [[noreturn, gnu::used]] void _start(uint64_t) {
    using namespace nexus::detail;
    const auto self = systable_is_ours() ? nexus::meta_self() : nexus::error(nexus::Errno::nosys);
    if (!self) {
        __builtin_trap(); // no table, no voice: the kernel's panic shows this address
    }
    process.self = *self;
    home_tier = self->home_tier;
    draw_secrets();
    run_constructors();
    const Arguments arguments = make_arguments();
    exit(program_main(arguments.count, arguments.values, environ));
}
