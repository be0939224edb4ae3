// SPDX-License-Identifier: Apache-2.0
// Reader of a cell's program: a static, little-endian ELF64 executable (System V
// ABI, chapters 4 and 5). The bytes come with the image and nothing in them is
// believed: what read() accepts can be loaded without another look at the file.
#pragma once

#include <array>
#include <cstddef>
#include <expected>
#include <span>

#include "core/types.h"

namespace rumpk {

// What is wrong with a file; describe() says it for a person. Several share a text, for the image builder has
// refused all of them before, in more words: the high digit chooses it.
enum class ElfError : uint8_t {
    too_short = 0x00,
    bad_magic = 0x01,
    not_64_bit = 0x02,
    not_little_endian = 0x03,
    bad_version = 0x04,
    bad_header_size = 0x05,
    not_executable = 0x10,
    dynamic = 0x11,
    wrong_machine = 0x20,
    bad_program_header_size = 0x30,
    no_program_headers = 0x31,
    too_many_program_headers = 0x32,
    program_headers_outside_file = 0x33,
    thread_local_storage = 0x40,
    executable_stack = 0x50,
    empty_segment = 0x60,
    file_size_above_memory_size = 0x61,
    segment_outside_file = 0x62,
    segment_address_wraps = 0x63,
    segment_misaligned = 0x64,
    segment_unknown_rights = 0x70,
    segment_unreadable = 0x71,
    segment_writable_and_executable = 0x72,
    segment_outside_window = 0x80,
    segment_above_memory = 0x90,
    segments_share_page = 0xa0,
    too_many_segments = 0xb0,
    no_segments = 0xb1,
    entry_not_executable = 0xc0,
};
inline constexpr size_t elf_error_texts = 13;

// One line, no full stop; never nullptr.
[[nodiscard]] const char* describe(ElfError what);

// A PT_LOAD: copy `file_size` bytes from `file_offset` of the file to
// `memory.base`, zero up to the end of `memory`, and give the pages `rights`.
struct ElfSegment {
    uint64_t file_offset = 0;
    uint64_t file_size = 0; // at most memory.size
    AddressRange memory{};  // not page aligned; no two segments touch one page
    Rights rights{};        // readable, and never writable together with executable
};

// What the image says the program may be.
struct ElfLimits {
    uint16_t machine = 0;  // e_machine; the caller knows it, this file names no architecture
    AddressRange window{}; // where the program may lie, page aligned ...
    uint64_t memory = 0;   // ... of which only this many bytes from the base have frames behind them
};

class ElfProgram {
  public:
    static constexpr size_t max_program_headers = 16;
    static constexpr size_t max_segments = 8;

    // Keeps nothing of `file`. Cost: linear in the program headers.
    [[nodiscard]] static std::expected<ElfProgram, ElfError> read(std::span<const std::byte> file,
                                                                  const ElfLimits& limits);

    [[nodiscard]] VirtAddr entry() const { return entry_; }
    // By rising address.
    [[nodiscard]] std::span<const ElfSegment> segments() const { return {segments_.data(), count_}; }
    // First page boundary after the last segment: where a heap may begin.
    [[nodiscard]] VirtAddr end() const;

  private:
    std::expected<void, ElfError> add(const ElfSegment& segment);
    [[nodiscard]] bool executes(VirtAddr address) const;

    VirtAddr entry_{};
    size_t count_ = 0;
    std::array<ElfSegment, max_segments> segments_{};
};

} // namespace rumpk
