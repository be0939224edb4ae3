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

// What is wrong with a file; describe() says it for a person.
enum class ElfError : uint8_t {
    too_short,
    bad_magic,
    not_64_bit,
    not_little_endian,
    bad_version,
    not_executable,
    wrong_machine,
    bad_header_size,
    bad_program_header_size,
    no_program_headers,
    too_many_program_headers,
    program_headers_outside_file,
    dynamic,
    thread_local_storage,
    executable_stack,
    empty_segment,
    file_size_above_memory_size,
    segment_outside_file,
    segment_address_wraps,
    segment_misaligned,
    segment_unknown_rights,
    segment_unreadable,
    segment_writable_and_executable,
    segment_outside_window,
    segment_above_memory,
    segments_share_page,
    too_many_segments,
    no_segments,
    entry_not_executable,
};
inline constexpr size_t elf_error_count = static_cast<size_t>(ElfError::entry_not_executable) + 1;

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
