// SPDX-License-Identifier: Apache-2.0
#include "core/elf.h"

#include <algorithm>
#include <bit>

namespace rumpk {

namespace {

constexpr uint64_t page_size = 4096;

// System V ABI, "ELF header" (figure 4-3) and "Program header" (figure 5-1), in
// the 64-bit form: offsets of the fields that are looked at.
constexpr size_t header_size = 64;
constexpr size_t at_class = 4;
constexpr size_t at_data = 5;
constexpr size_t at_ident_version = 6;
constexpr size_t at_type = 16;
constexpr size_t at_machine = 18;
constexpr size_t at_version = 20;
constexpr size_t at_entry = 24;
constexpr size_t at_program_headers = 32;
constexpr size_t at_header_size = 52;
constexpr size_t at_program_header_size = 54;
constexpr size_t at_program_header_count = 56;

constexpr size_t program_header_size = 56;
constexpr size_t at_segment_type = 0;
constexpr size_t at_segment_flags = 4;
constexpr size_t at_segment_offset = 8;
constexpr size_t at_segment_address = 16;
constexpr size_t at_segment_file_size = 32;
constexpr size_t at_segment_memory_size = 40;
constexpr size_t at_segment_align = 48;

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

// A little-endian number of the file, at any alignment. The caller has checked the bounds.
uint64_t little_endian(Bytes bytes, size_t offset, size_t width) {
    ensure(offset + width <= bytes.size());
    uint64_t value = 0;
    while (width-- > 0) {
        value = value << 8 | static_cast<uint8_t>(bytes[offset + width]);
    }
    return value;
}

template <typename T>
T number(Bytes bytes, size_t offset) {
    return static_cast<T>(little_endian(bytes, offset, sizeof(T)));
}

template <typename T>
using Checked = std::expected<T, ElfError>;

std::unexpected<ElfError> wrong(ElfError what) {
    return std::unexpected<ElfError>(what);
}

Checked<void> check_header(Bytes file, uint16_t machine) {
    if (file.size() < header_size) {
        return wrong(ElfError::too_short);
    }
    if (number<uint32_t>(file, 0) != 0x464c457f) { // 0x7f 'E' 'L' 'F'
        return wrong(ElfError::bad_magic);
    }
    if (number<uint8_t>(file, at_class) != class_64) {
        return wrong(ElfError::not_64_bit);
    }
    if (number<uint8_t>(file, at_data) != data_little_endian) {
        return wrong(ElfError::not_little_endian);
    }
    if (number<uint8_t>(file, at_ident_version) != version_current ||
        number<uint32_t>(file, at_version) != version_current) {
        return wrong(ElfError::bad_version);
    }
    if (number<uint16_t>(file, at_type) != type_executable) {
        return wrong(ElfError::not_executable);
    }
    if (number<uint16_t>(file, at_machine) != machine) {
        return wrong(ElfError::wrong_machine);
    }
    if (number<uint16_t>(file, at_header_size) != header_size) {
        return wrong(ElfError::bad_header_size);
    }
    return {};
}

// The program headers, one after another.
Checked<Bytes> find_program_headers(Bytes file) {
    const auto count = number<uint16_t>(file, at_program_header_count);
    if (count == 0) {
        return wrong(ElfError::no_program_headers);
    }
    if (number<uint16_t>(file, at_program_header_size) != program_header_size) {
        return wrong(ElfError::bad_program_header_size);
    }
    if (count > ElfProgram::max_program_headers) {
        return wrong(ElfError::too_many_program_headers);
    }
    const auto offset = number<uint64_t>(file, at_program_headers);
    const size_t size = size_t{count} * program_header_size;
    if (offset > file.size() || size > file.size() - offset) {
        return wrong(ElfError::program_headers_outside_file);
    }
    return file.subspan(offset, size);
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
Checked<ElfSegment> read_segment(Bytes header, size_t file_size, const ElfLimits& limits) {
    ElfSegment segment;
    segment.file_offset = number<uint64_t>(header, at_segment_offset);
    segment.file_size = number<uint64_t>(header, at_segment_file_size);
    const auto memory_size = number<uint64_t>(header, at_segment_memory_size);
    if (memory_size == 0) {
        return wrong(ElfError::empty_segment);
    }
    if (segment.file_size > memory_size) {
        return wrong(ElfError::file_size_above_memory_size);
    }
    if (segment.file_offset > file_size || segment.file_size > file_size - segment.file_offset) {
        return wrong(ElfError::segment_outside_file);
    }
    const VirtAddr address{number<uint64_t>(header, at_segment_address)};
    const auto memory = AddressRange::checked(address, memory_size);
    if (!memory) {
        return wrong(ElfError::segment_address_wraps);
    }
    segment.memory = *memory;
    // Chapter 5: 0 and 1 ask for nothing, else a power of two that address and offset agree on.
    const auto align = number<uint64_t>(header, at_segment_align);
    if (align > 1 &&
        (!std::has_single_bit(align) || ((address.value() ^ segment.file_offset) & (align - 1)) != 0)) {
        return wrong(ElfError::segment_misaligned);
    }
    const auto rights = segment_rights(number<uint32_t>(header, at_segment_flags));
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
    if (const auto header = check_header(file, limits.machine); !header) {
        return wrong(header.error());
    }
    const auto headers = find_program_headers(file);
    if (!headers) {
        return wrong(headers.error());
    }
    ElfProgram program;
    for (size_t at = 0; at < headers->size(); at += program_header_size) {
        const Bytes header = headers->subspan(at, program_header_size);
        switch (number<uint32_t>(header, at_segment_type)) {
        case segment_dynamic:
        case segment_interpreter:
            return wrong(ElfError::dynamic);
        case segment_tls:
            return wrong(ElfError::thread_local_storage);
        case segment_gnu_stack:
            if ((number<uint32_t>(header, at_segment_flags) & flag_execute) != 0) {
                return wrong(ElfError::executable_stack);
            }
            break;
        case segment_load: {
            const auto segment = read_segment(header, file.size(), limits);
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
    program.entry_ = VirtAddr{number<uint64_t>(file, at_entry)};
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

const char* describe(ElfError what) {
    switch (what) {
    case ElfError::too_short:
        return "shorter than an ELF header";
    case ElfError::bad_magic:
        return "not an ELF file";
    case ElfError::not_64_bit:
        return "not a 64-bit ELF file";
    case ElfError::not_little_endian:
        return "not a little-endian ELF file";
    case ElfError::bad_version:
        return "unknown ELF version";
    case ElfError::not_executable:
        return "not a static executable (ET_EXEC)";
    case ElfError::wrong_machine:
        return "built for another architecture";
    case ElfError::bad_header_size:
        return "ELF header of the wrong size";
    case ElfError::bad_program_header_size:
        return "program headers of the wrong size";
    case ElfError::no_program_headers:
        return "no program headers";
    case ElfError::too_many_program_headers:
        return "more than 16 program headers";
    case ElfError::program_headers_outside_file:
        return "program headers beyond the end of the file";
    case ElfError::dynamic:
        return "dynamically linked";
    case ElfError::thread_local_storage:
        return "uses thread-local storage";
    case ElfError::executable_stack:
        return "asks for an executable stack";
    case ElfError::empty_segment:
        return "a segment of no bytes";
    case ElfError::file_size_above_memory_size:
        return "a segment with more bytes in the file than in memory";
    case ElfError::segment_outside_file:
        return "a segment beyond the end of the file";
    case ElfError::segment_address_wraps:
        return "a segment beyond the end of all addresses";
    case ElfError::segment_misaligned:
        return "a segment whose alignment does not hold";
    case ElfError::segment_unknown_rights:
        return "a segment with unknown flags";
    case ElfError::segment_unreadable:
        return "a segment that may not be read";
    case ElfError::segment_writable_and_executable:
        return "a segment both writable and executable";
    case ElfError::segment_outside_window:
        return "linked outside its window";
    case ElfError::segment_above_memory:
        return "larger than the memory of its cell";
    case ElfError::segments_share_page:
        return "two segments in one page";
    case ElfError::too_many_segments:
        return "more than 8 segments to load";
    case ElfError::no_segments:
        return "nothing to load";
    case ElfError::entry_not_executable:
        return "an entry point outside the code";
    }
    return "unknown";
}

} // namespace rumpk
