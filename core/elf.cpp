// SPDX-License-Identifier: Apache-2.0
#include "core/elf.h"

#include <algorithm>
#include <bit>
#include <cstddef>

#include "core/copy.h"
#include "core/format.h"

namespace rumpk {

namespace {

constexpr uint64_t page_size = 4096;

static_assert(std::endian::native == std::endian::little, "programs are read as they lie there");

// System V ABI, "ELF header" (figure 4-3), in the 64-bit form.
struct FileHeader {
    uint32_t magic;
    uint8_t file_class;
    uint8_t data;
    uint8_t ident_version;
    uint8_t ident_rest[9];
    uint16_t type;
    uint16_t machine;
    uint32_t version;
    uint64_t entry;
    uint64_t program_headers; // where they begin
    uint64_t section_headers;
    uint32_t flags;
    uint16_t header_size;
    uint16_t program_header_size;
    uint16_t program_header_count;
    uint16_t section_header_fields[3];
};
static_assert(sizeof(FileHeader) == 64 && offsetof(FileHeader, entry) == 24 &&
              offsetof(FileHeader, program_header_count) == 56);

// "Program header" (figure 5-1), likewise.
struct ProgramHeader {
    uint32_t type;
    uint32_t flags;
    uint64_t offset;
    uint64_t address;
    uint64_t physical_address;
    uint64_t file_size;
    uint64_t memory_size;
    uint64_t align;
};
static_assert(sizeof(ProgramHeader) == 56 && offsetof(ProgramHeader, align) == 48);

constexpr uint8_t class_64 = 2;
constexpr uint8_t data_little_endian = 1;
constexpr uint8_t version_current = 1;
constexpr uint16_t type_executable = 2; // ET_EXEC

constexpr uint32_t segment_load = 1;
constexpr uint32_t segment_dynamic = 2;
constexpr uint32_t segment_interpreter = 3;
constexpr uint32_t segment_tls = 7;
constexpr uint32_t segment_gnu_stack = 0x6474e551;

constexpr uint32_t flag_execute = 1;
constexpr uint32_t flag_write = 2;
constexpr uint32_t flag_read = 4;

using Bytes = std::span<const std::byte>;

// Copied out whole: the file need not be aligned for it. The caller has checked the bounds.
template <typename T>
T copy_of(Bytes bytes, size_t offset) {
    ensure(offset + sizeof(T) <= bytes.size());
    T value;
    copy_bytes(&value, bytes.data() + offset, sizeof(T));
    return value;
}

template <typename T>
using Checked = std::expected<T, ElfError>;

std::unexpected<ElfError> wrong(ElfError what) {
    return std::unexpected<ElfError>(what);
}

Checked<void> check_header(const FileHeader& header, uint16_t machine) {
    if (header.magic != 0x464c457f) { // 0x7f 'E' 'L' 'F'
        return wrong(ElfError::bad_magic);
    }
    if (header.file_class != class_64) {
        return wrong(ElfError::not_64_bit);
    }
    if (header.data != data_little_endian) {
        return wrong(ElfError::not_little_endian);
    }
    if (header.ident_version != version_current || header.version != version_current) {
        return wrong(ElfError::bad_version);
    }
    if (header.type != type_executable) {
        return wrong(ElfError::not_executable);
    }
    if (header.machine != machine) {
        return wrong(ElfError::wrong_machine);
    }
    if (header.header_size != sizeof(FileHeader)) {
        return wrong(ElfError::bad_header_size);
    }
    return {};
}

// The program headers are inside the file.
Checked<void> check_program_headers(const FileHeader& header, size_t file_size) {
    if (header.program_header_count == 0) {
        return wrong(ElfError::no_program_headers);
    }
    if (header.program_header_size != sizeof(ProgramHeader)) {
        return wrong(ElfError::bad_program_header_size);
    }
    if (header.program_header_count > ElfProgram::max_program_headers) {
        return wrong(ElfError::too_many_program_headers);
    }
    const size_t size = header.program_header_count * sizeof(ProgramHeader);
    if (header.program_headers > file_size || size > file_size - header.program_headers) {
        return wrong(ElfError::program_headers_outside_file);
    }
    return {};
}

Checked<Rights> segment_rights(uint32_t flags) {
    if ((flags & ~(flag_execute | flag_write | flag_read)) != 0) {
        return wrong(ElfError::segment_unknown_rights);
    }
    if ((flags & flag_read) == 0) {
        return wrong(ElfError::segment_unreadable);
    }
    if ((flags & flag_write) != 0 && (flags & flag_execute) != 0) {
        return wrong(ElfError::segment_writable_and_executable);
    }
    Rights rights = right_read;
    if ((flags & flag_write) != 0) {
        rights = rights | right_write;
    }
    if ((flags & flag_execute) != 0) {
        rights = rights | right_execute;
    }
    return rights;
}

// A PT_LOAD on its own: its numbers agree with the file, and it lies where the image allows.
Checked<ElfSegment> read_segment(const ProgramHeader& header, size_t file_size, const ElfLimits& limits) {
    ElfSegment segment;
    segment.file_offset = header.offset;
    segment.file_size = header.file_size;
    if (header.memory_size == 0) {
        return wrong(ElfError::empty_segment);
    }
    if (segment.file_size > header.memory_size) {
        return wrong(ElfError::file_size_above_memory_size);
    }
    if (segment.file_offset > file_size || segment.file_size > file_size - segment.file_offset) {
        return wrong(ElfError::segment_outside_file);
    }
    const auto memory = AddressRange::checked(VirtAddr{header.address}, header.memory_size);
    if (!memory) {
        return wrong(ElfError::segment_address_wraps);
    }
    segment.memory = *memory;
    // Chapter 5: 0 and 1 ask for nothing, else a power of two that address and offset agree on.
    if (header.align > 1 && (!std::has_single_bit(header.align) ||
                             ((header.address ^ header.offset) & (header.align - 1)) != 0)) {
        return wrong(ElfError::segment_misaligned);
    }
    const auto rights = segment_rights(header.flags);
    if (!rights) {
        return wrong(rights.error());
    }
    segment.rights = *rights;
    if (!limits.window.contains(segment.memory)) {
        return wrong(ElfError::segment_outside_window);
    }
    if (segment.memory.end() - limits.window.base > limits.memory) {
        return wrong(ElfError::segment_above_memory);
    }
    return segment;
}

// What each page is mapped for must be one answer.
bool share_page(const AddressRange& a, const AddressRange& b) {
    return align_down(a.base.value(), page_size) <= align_down(b.end().value() - 1, page_size) &&
           align_down(b.base.value(), page_size) <= align_down(a.end().value() - 1, page_size);
}

} // namespace

std::expected<ElfProgram, ElfError> ElfProgram::read(Bytes file, const ElfLimits& limits) {
    if (file.size() < sizeof(FileHeader)) {
        return wrong(ElfError::too_short);
    }
    const auto header = copy_of<FileHeader>(file, 0);
    if (const auto good = check_header(header, limits.machine); !good) {
        return wrong(good.error());
    }
    if (const auto fit = check_program_headers(header, file.size()); !fit) {
        return wrong(fit.error());
    }
    ElfProgram program;
    for (size_t i = 0; i < header.program_header_count; ++i) {
        const auto one = copy_of<ProgramHeader>(file, header.program_headers + i * sizeof(ProgramHeader));
        switch (one.type) {
        case segment_dynamic:
        case segment_interpreter:
            return wrong(ElfError::dynamic);
        case segment_tls:
            return wrong(ElfError::thread_local_storage);
        case segment_gnu_stack:
            if ((one.flags & flag_execute) != 0) {
                return wrong(ElfError::executable_stack);
            }
            break;
        case segment_load: {
            const auto segment = read_segment(one, file.size(), limits);
            if (!segment) {
                return wrong(segment.error());
            }
            if (const auto added = program.add(*segment); !added) {
                return wrong(added.error());
            }
            break;
        }
        default: // notes, attributes and the like load nothing
            break;
        }
    }
    if (program.count_ == 0) {
        return wrong(ElfError::no_segments);
    }
    program.entry_ = VirtAddr{header.entry};
    if (!program.executes(program.entry_)) {
        return wrong(ElfError::entry_not_executable);
    }
    return program;
}

// Keeps the segments in order of address.
std::expected<void, ElfError> ElfProgram::add(const ElfSegment& segment) {
    if (count_ == max_segments) {
        return wrong(ElfError::too_many_segments);
    }
    size_t at = count_;
    for (size_t i = count_; i > 0; --i) {
        if (share_page(segments_[i - 1].memory, segment.memory)) {
            return wrong(ElfError::segments_share_page);
        }
        if (segments_[i - 1].memory.base > segment.memory.base) {
            at = i - 1;
        }
    }
    std::move_backward(segments_.begin() + at, segments_.begin() + count_, segments_.begin() + count_ + 1);
    segments_[at] = segment;
    ++count_;
    return {};
}

bool ElfProgram::executes(VirtAddr address) const {
    return std::ranges::any_of(segments(), [&](const ElfSegment& segment) {
        return segment.rights.contains(right_execute) && segment.memory.contains(address);
    });
}

VirtAddr ElfProgram::end() const {
    ensure(count_ > 0);
    return VirtAddr{align_up(segments_[count_ - 1].memory.end().value(), page_size)};
}

// By the high digit of the error.
constexpr const char* texts = "not a 64-bit little-endian ELF file\0"
                              "not a static executable\0"
                              "built for another architecture\0"
                              "bad program headers\0"
                              "uses thread-local storage\0"
                              "asks for an executable stack\0"
                              "a segment of impossible size or alignment\0"
                              "a segment neither R, RW nor RX\0"
                              "linked outside its window\0"
                              "larger than the memory of its cell\0"
                              "two segments in one page\0"
                              "not 1 to 8 segments to load\0"
                              "an entry point outside the code\0";

const char* describe(ElfError what) {
    return text_in(texts, static_cast<size_t>(what) >> 4);
}

} // namespace rumpk
