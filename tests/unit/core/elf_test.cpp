// SPDX-License-Identifier: Apache-2.0
//
// The ELF reader: a good file is read as it is, and each way to be bad has its
// own answer. Then every byte of a good file is replaced by every other.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "core/elf.h"
#include "tests/unit/core/elf_image.h"
#include "tests/unit/core/random.h"

namespace {

using namespace rumpk;
using core_test::elf_limits;
using core_test::ElfImage;
using core_test::holds_what_it_promises;

using Read = std::expected<ElfProgram, ElfError>;

Read read(const ElfImage& image, const ElfLimits& limits = elf_limits()) {
    return ElfProgram::read(image.bytes(), limits);
}

ElfError why(const Read& program) {
    EXPECT_FALSE(program.has_value());
    return program ? static_cast<ElfError>(0xff) : program.error();
}

TEST(Elf, ReadsAProgram) {
    const ElfImage image;
    const auto program = read(image);
    ASSERT_TRUE(program) << describe(program.error());
    EXPECT_EQ(program->entry(), VirtAddr{0x08000010});
    ASSERT_EQ(program->segments().size(), 3u);
    const ElfSegment& text = program->segments()[0];
    EXPECT_EQ(text.file_offset, 0x1000u);
    EXPECT_EQ(text.file_size, 0x20u);
    EXPECT_EQ(text.memory, (AddressRange{VirtAddr{0x08000000}, 0x20}));
    EXPECT_EQ(text.rights, right_read | right_execute);
    EXPECT_EQ(program->segments()[1].rights, right_read);
    EXPECT_EQ(program->segments()[2].rights, right_read | right_write);
    EXPECT_EQ(program->segments()[2].memory.size, 0x3000u);
    EXPECT_EQ(program->end(), VirtAddr{0x08005000});
}

TEST(Elf, SortsSegments) {
    ElfImage image;
    image.swap_segments(0, 2);
    image.swap_segments(0, 1);
    const auto program = read(image);
    ASSERT_TRUE(program);
    EXPECT_EQ(program->segments()[0].memory.base, VirtAddr{0x08000000});
    EXPECT_EQ(program->segments()[1].memory.base, VirtAddr{0x08001000});
    EXPECT_EQ(program->segments()[2].memory.base, VirtAddr{0x08002000});
}

TEST(Elf, Header) {
    EXPECT_EQ(why(ElfProgram::read({}, elf_limits())), ElfError::too_short);
    ElfImage image;
    EXPECT_EQ(why(ElfProgram::read(image.bytes().first(63), elf_limits())), ElfError::too_short);
    EXPECT_EQ(why(read(ElfImage().set<uint8_t>(0, 0x7e))), ElfError::bad_magic);
    EXPECT_EQ(why(read(ElfImage().set<uint8_t>(4, 1))), ElfError::not_64_bit);
    EXPECT_EQ(why(read(ElfImage().set<uint8_t>(5, 2))), ElfError::not_little_endian);
    EXPECT_EQ(why(read(ElfImage().set<uint8_t>(6, 0))), ElfError::bad_version);
    EXPECT_EQ(why(read(ElfImage().set<uint32_t>(20, 2))), ElfError::bad_version);
    EXPECT_EQ(why(read(ElfImage().set<uint16_t>(16, 3))), ElfError::not_executable);
    EXPECT_EQ(why(read(ElfImage().set<uint16_t>(18, 62))), ElfError::wrong_machine);
    EXPECT_EQ(why(read(ElfImage().set<uint16_t>(52, 65))), ElfError::bad_header_size);
}

TEST(Elf, ProgramHeaders) {
    EXPECT_EQ(why(read(ElfImage().set<uint16_t>(54, 32))), ElfError::bad_program_header_size);
    EXPECT_EQ(why(read(ElfImage().set<uint16_t>(56, 0))), ElfError::no_program_headers);
    EXPECT_EQ(why(read(ElfImage().set<uint16_t>(56, 17))), ElfError::too_many_program_headers);
    EXPECT_EQ(why(read(ElfImage().set<uint16_t>(56, 0xffff))), ElfError::too_many_program_headers);
    const uint64_t size = ElfImage().bytes().size();
    for (const uint64_t offset : std::vector<uint64_t>{size, size - 1, size + 1, ~0ULL, ~0ULL - 0x100}) {
        EXPECT_EQ(why(read(ElfImage().set<uint64_t>(32, offset))), ElfError::program_headers_outside_file)
            << offset;
    }
}

TEST(Elf, KindsOfSegments) {
    EXPECT_EQ(why(read(ElfImage().segment<uint32_t>(1, 0, 2))), ElfError::dynamic);
    EXPECT_EQ(why(read(ElfImage().segment<uint32_t>(1, 0, 3))), ElfError::dynamic);
    EXPECT_EQ(why(read(ElfImage().segment<uint32_t>(1, 0, 7))), ElfError::thread_local_storage);
    EXPECT_EQ(why(read(ElfImage().segment<uint32_t>(3, 4, 7))), ElfError::executable_stack);
    EXPECT_TRUE(read(ElfImage().segment<uint32_t>(1, 0, 4))); // a note
    EXPECT_EQ(why(read(ElfImage()
                           .set<uint16_t>(56, 4)
                           .segment<uint32_t>(0, 0, 4)
                           .segment<uint32_t>(1, 0, 4)
                           .segment<uint32_t>(2, 0, 4))),
              ElfError::no_segments);
}

TEST(Elf, SizesAndOffsets) {
    EXPECT_EQ(why(read(ElfImage().segment<uint64_t>(1, 40, 0).segment<uint64_t>(1, 32, 0))),
              ElfError::empty_segment);
    EXPECT_EQ(why(read(ElfImage().segment<uint64_t>(1, 32, 0x11))), ElfError::file_size_above_memory_size);
    const uint64_t size = ElfImage().bytes().size();
    EXPECT_EQ(why(read(ElfImage().segment<uint64_t>(2, 8, size - 7))), ElfError::segment_outside_file);
    EXPECT_EQ(why(read(ElfImage().segment<uint64_t>(2, 8, ~0ULL - 3))), ElfError::segment_outside_file);
    EXPECT_EQ(why(read(ElfImage().segment<uint64_t>(2, 8, size + 0x1000))), ElfError::segment_outside_file);
    EXPECT_EQ(why(read(ElfImage().segment<uint64_t>(2, 40, ~0ULL).segment<uint64_t>(2, 32, ~0ULL - 0x2fff))),
              ElfError::segment_outside_file);
    // Nothing of the file, at its very end, is no mistake.
    EXPECT_TRUE(read(ElfImage().segment<uint64_t>(2, 32, 0).segment<uint64_t>(2, 8, align_down(size, 4096))));
}

TEST(Elf, Addresses) {
    EXPECT_EQ(why(read(ElfImage().segment<uint64_t>(1, 16, ~0xfULL))), ElfError::segment_address_wraps);
    EXPECT_EQ(why(read(ElfImage().segment<uint64_t>(2, 40, ~0ULL))), ElfError::segment_address_wraps);
    EXPECT_EQ(why(read(ElfImage().segment<uint64_t>(1, 16, 0x07fff000))), ElfError::segment_outside_window);
    EXPECT_EQ(why(read(ElfImage().segment<uint64_t>(1, 16, 0x0c000000))), ElfError::segment_outside_window);
    EXPECT_EQ(why(read(ElfImage().segment<uint64_t>(1, 16, 0x0bffffff).segment<uint64_t>(1, 48, 1))),
              ElfError::segment_outside_window);
    ElfLimits small = elf_limits();
    small.memory = 0x5000;
    EXPECT_TRUE(read(ElfImage(), small));
    small.memory = 0x4fff;
    EXPECT_EQ(why(read(ElfImage(), small)), ElfError::segment_above_memory);
}

TEST(Elf, Alignment) {
    EXPECT_EQ(why(read(ElfImage().segment<uint64_t>(1, 48, 3))), ElfError::segment_misaligned);
    EXPECT_EQ(why(read(ElfImage().segment<uint64_t>(1, 48, ~0ULL))), ElfError::segment_misaligned);
    EXPECT_EQ(why(read(ElfImage().segment<uint64_t>(1, 8, 0x2008))), ElfError::segment_misaligned);
    EXPECT_TRUE(read(ElfImage().segment<uint64_t>(1, 8, 0x2008).segment<uint64_t>(1, 48, 8)));
    EXPECT_TRUE(read(ElfImage().segment<uint64_t>(1, 8, 0x2009).segment<uint64_t>(1, 48, 0)));
    EXPECT_TRUE(read(ElfImage().segment<uint64_t>(1, 8, 0x2009).segment<uint64_t>(1, 48, 1)));
}

TEST(Elf, RightsOfSegments) {
    EXPECT_EQ(why(read(ElfImage().segment<uint32_t>(0, 4, 7))), ElfError::segment_writable_and_executable);
    EXPECT_EQ(why(read(ElfImage().segment<uint32_t>(0, 4, 1))), ElfError::segment_unreadable);
    EXPECT_EQ(why(read(ElfImage().segment<uint32_t>(0, 4, 0))), ElfError::segment_unreadable);
    EXPECT_EQ(why(read(ElfImage().segment<uint32_t>(0, 4, 8 | 5))), ElfError::segment_unknown_rights);
}

TEST(Elf, NoTwoSegmentsInAPage) {
    EXPECT_EQ(why(read(ElfImage().segment<uint64_t>(1, 16, 0x08000000))), ElfError::segments_share_page);
    EXPECT_EQ(why(read(ElfImage().segment<uint64_t>(1, 16, 0x08000800).segment<uint64_t>(1, 48, 1))),
              ElfError::segments_share_page);
    EXPECT_EQ(why(read(ElfImage().segment<uint64_t>(1, 40, 0x1001))), ElfError::segments_share_page);
    EXPECT_TRUE(read(ElfImage().segment<uint64_t>(1, 40, 0x1000)));
    EXPECT_EQ(why(read(ElfImage().segment<uint64_t>(0, 40, 0x100000))), ElfError::segments_share_page);
}

TEST(Elf, Entry) {
    EXPECT_EQ(why(read(ElfImage().set<uint64_t>(24, 0))), ElfError::entry_not_executable);
    EXPECT_EQ(why(read(ElfImage().set<uint64_t>(24, 0x08001000))), ElfError::entry_not_executable);
    EXPECT_EQ(why(read(ElfImage().set<uint64_t>(24, 0x08000020))), ElfError::entry_not_executable);
    EXPECT_TRUE(read(ElfImage().set<uint64_t>(24, 0x0800001f)));
}

TEST(Elf, EightSegmentsAndNoMore) {
    EXPECT_EQ(read(core_test::elf_of_many_segments(8))->segments().size(), 8u);
    EXPECT_EQ(why(read(core_test::elf_of_many_segments(9))), ElfError::too_many_segments);
}

TEST(Elf, EachErrorHasAText) {
    std::set<std::string> texts;
    for (size_t i = 0; i < elf_error_texts; ++i) {
        texts.insert(describe(static_cast<ElfError>(i << 4)));
    }
    EXPECT_EQ(texts.size(), 13u);
    EXPECT_FALSE(texts.contains(""));
}

TEST(Elf, EveryLengthOfAGoodFile) {
    const ElfImage image;
    const auto whole = image.bytes();
    for (size_t size = 0; size < whole.size(); ++size) {
        // A copy of just that size, so that the sanitizer sees a look beyond it.
        const std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
        ASSERT_FALSE(ElfProgram::read(cut, elf_limits())) << size;
    }
}

TEST(Elf, EveryByteOfTheHeadersReplaced) {
    const ElfImage good;
    std::vector<std::byte> bytes(good.bytes().begin(), good.bytes().end());
    for (size_t at = 0; at < 64 + 4 * 56; ++at) {
        const std::byte before = bytes[at];
        for (unsigned value = 0; value < 256; ++value) {
            bytes[at] = static_cast<std::byte>(value);
            if (const auto program = ElfProgram::read(bytes, elf_limits())) {
                ASSERT_TRUE(holds_what_it_promises(*program, bytes.size(), elf_limits()))
                    << at << " " << value;
            }
        }
        bytes[at] = before;
    }
}

TEST(Elf, RandomNumbersInRandomFields) {
    const uint64_t seed = core_test::fresh_seed();
    SCOPED_TRACE(testing::Message() << "RUMPK_SEED=" << seed);
    core_test::Random random(seed);
    for (int run = 0; run < 300'000; ++run) {
        ElfImage image;
        for (uint64_t count = 1 + random.below(3); count > 0; --count) {
            const size_t at = random.one_in(4) ? 24 + 8 * random.below(4) : 64 + 8 * random.below(4 * 7);
            const uint64_t near = 0x08000000 + random.of_any_length(16);
            image.set<uint64_t>(at, random.one_in(2) ? near : random.of_any_length(63));
        }
        if (const auto program = read(image)) {
            ASSERT_TRUE(holds_what_it_promises(*program, image.bytes().size(), elf_limits())) << run;
        }
    }
}

} // namespace
