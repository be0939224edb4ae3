// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a cell's program. What is accepted must hold what a loader relies on.
#include <cstdlib>

#include "core/elf.h"
#include "tests/unit/core/elf_image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::span<const std::byte> file = std::as_bytes(std::span(data, size));
    for (const uint16_t machine : {core_test::elf_machine, uint16_t{62}}) {
        rumpk::ElfLimits limits = core_test::elf_limits();
        limits.machine = machine;
        const auto program = rumpk::ElfProgram::read(file, limits);
        if (program && !core_test::holds_what_it_promises(*program, size, limits)) {
            std::abort();
        }
    }
    return 0;
}
