// SPDX-License-Identifier: Apache-2.0
//
// A small good ELF file for the reader's tests to spoil, and what must hold of
// whatever the reader accepts.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "core/elf.h"

namespace core_test {

inline constexpr uint16_t elf_machine = 243;

inline rumpk::ElfLimits elf_limits() {
    return {elf_machine, {rumpk::VirtAddr{0x08000000}, 0x04000000}, 0x02000000};
}

// Text at 0x08000000, constants at 0x08001000, data and zeroes at 0x08002000, and
// a PT_GNU_STACK.
class ElfImage {
  public:
    ElfImage() : ElfImage(4, 0x3008) {
        load(0, 5, 0x1000, 0x08000000, 0x20, 0x20);
        load(1, 4, 0x2000, 0x08001000, 0x10, 0x10);
        load(2, 6, 0x3000, 0x08002000, 8, 0x3000);
        segment<uint32_t>(3, 0, 0x6474e551).segment<uint32_t>(3, 4, 6);
    }
    ElfImage(uint16_t headers, size_t size) : bytes_(size) {
        constexpr uint8_t ident[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
        std::memcpy(bytes_.data(), ident, sizeof ident);
        set<uint16_t>(16, 2)
            .set<uint16_t>(18, elf_machine)
            .set<uint32_t>(20, 1)
            .set<uint64_t>(24, 0x08000010);
        set<uint64_t>(32, 64).set<uint16_t>(52, 64).set<uint16_t>(54, 56).set<uint16_t>(56, headers);
    }

    void load(size_t index, uint32_t flags, uint64_t offset, uint64_t address, uint64_t in_file,
              uint64_t in_memory) {
        segment<uint32_t>(index, 0, 1).segment<uint32_t>(index, 4, flags).segment<uint64_t>(index, 8, offset);
        segment<uint64_t>(index, 16, address).segment<uint64_t>(index, 24, address);
        segment<uint64_t>(index, 32, in_file).segment<uint64_t>(index, 40, in_memory);
        segment<uint64_t>(index, 48, 4096);
    }

    template <typename T>
    ElfImage& set(size_t offset, T value) {
        std::memcpy(bytes_.data() + offset, static_cast<const void*>(&value), sizeof value);
        return *this;
    }
    template <typename T>
    ElfImage& segment(size_t index, size_t offset, T value) {
        return set<T>(64 + index * 56 + offset, value);
    }
    void swap_segments(size_t a, size_t b) {
        std::swap_ranges(bytes_.begin() + 64 + static_cast<ptrdiff_t>(a) * 56,
                         bytes_.begin() + 64 + static_cast<ptrdiff_t>(a + 1) * 56,
                         bytes_.begin() + 64 + static_cast<ptrdiff_t>(b) * 56);
    }
    std::span<const std::byte> bytes() const { return bytes_; }

  private:
    std::vector<std::byte> bytes_;
};

// One page each, all of them executable.
inline ElfImage elf_of_many_segments(uint16_t count) {
    ElfImage image(count, 0x1100);
    for (uint16_t i = 0; i < count; ++i) {
        image.load(i, 5, 0x1000, 0x08000000 + 0x1000u * i, 0x100, 0x100);
    }
    return image;
}

// All that a loader relies on.
inline bool holds_what_it_promises(const rumpk::ElfProgram& program, size_t file_size,
                                   const rumpk::ElfLimits& limits) {
    using namespace rumpk;
    bool entry_found = false;
    uint64_t pages_end = 0;
    for (const ElfSegment& segment : program.segments()) {
        const uint64_t base = segment.memory.base.value();
        const uint64_t end = base + segment.memory.size;
        const bool in_file =
            segment.file_offset <= file_size && segment.file_size <= file_size - segment.file_offset;
        const bool in_window = end > base && base >= limits.window.base.value() &&
                               end <= limits.window.base.value() + limits.window.size &&
                               end <= limits.window.base.value() + limits.memory;
        const bool apart = base / 4096 * 4096 >= pages_end;
        const bool rights = segment.rights.contains(right_read) &&
                            !(segment.rights.contains(right_write) && segment.rights.contains(right_execute));
        if (!in_file || !in_window || !apart || !rights || segment.file_size > segment.memory.size) {
            return false;
        }
        pages_end = (end + 4095) / 4096 * 4096;
        entry_found = entry_found || (segment.rights.contains(right_execute) &&
                                      program.entry().value() >= base && program.entry().value() < end);
    }
    return entry_found && program.end().value() == pages_end;
}

} // namespace core_test
