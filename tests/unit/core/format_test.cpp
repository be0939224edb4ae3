// SPDX-License-Identifier: Apache-2.0
//
// Kernel lines: every form, and what happens at the end of the buffer.
#include <gtest/gtest.h>

#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "core/format.h"
#include "tests/unit/core/random.h"

namespace {

using namespace rumpk;

constexpr uint64_t largest = std::numeric_limits<uint64_t>::max();

template <typename Write>
std::string written(Write write) {
    LineBuffer<64> line;
    write(line);
    EXPECT_FALSE(line.truncated());
    return std::string{line.view()};
}

TEST(Format, Decimal) {
    EXPECT_EQ(written([](Line& l) { l.decimal(0); }), "0");
    EXPECT_EQ(written([](Line& l) { l.decimal(10); }), "10");
    EXPECT_EQ(written([](Line& l) { l.decimal(largest); }), "18446744073709551615");
    EXPECT_EQ(written([](Line& l) { l.decimal_signed(-1); }), "-1");
    EXPECT_EQ(written([](Line& l) { l.decimal_signed(42); }), "42");
    EXPECT_EQ(written([](Line& l) { l.decimal_signed(std::numeric_limits<int64_t>::min()); }),
              "-9223372036854775808");
}

TEST(Format, Hex) {
    EXPECT_EQ(written([](Line& l) { l.hex(0x80201234); }), "0x0000000080201234");
    EXPECT_EQ(written([](Line& l) { l.hex(0xabc, 2); }), "0xbc");
    EXPECT_EQ(written([](Line& l) { l.hex(0, 1); }), "0x0");
    EXPECT_EQ(written([](Line& l) { l.hex(largest); }), "0xffffffffffffffff");
    EXPECT_EQ(written([](Line& l) { l.address(VirtAddr{0x8000000}); }), "0x0000000008000000");
}

TEST(Format, TimesAndSizes) {
    EXPECT_EQ(written([](Line& l) { l.milliseconds(Nanoseconds{12'345'678}); }), "12.3 ms");
    EXPECT_EQ(written([](Line& l) { l.milliseconds(Nanoseconds{49'999}); }), "0.0 ms");
    EXPECT_EQ(written([](Line& l) { l.milliseconds(Nanoseconds{50'000}); }), "0.1 ms");
    EXPECT_EQ(written([](Line& l) { l.milliseconds(Nanoseconds{999'950'000}); }), "1000.0 ms");
    EXPECT_EQ(written([](Line& l) { l.milliseconds(Nanoseconds{largest}); }), "18446744073709.6 ms");
    EXPECT_EQ(written([](Line& l) { l.mebibytes(123'731'968); }), "118 MiB");
    EXPECT_EQ(written([](Line& l) { l.mebibytes((119 << 20) - 1); }), "118 MiB");
}

TEST(Format, ChainsAndClears) {
    LineBuffer<64> line;
    line.text("a").character(' ').decimal(1).text("");
    EXPECT_EQ(line.view(), "a 1");
    line.clear();
    EXPECT_EQ(line.view(), "");
    EXPECT_EQ(line.text("b").view(), "b");
}

TEST(Format, FullIsNotTruncated) {
    LineBuffer<5> line;
    EXPECT_EQ(line.text("12345").view(), "12345");
    EXPECT_FALSE(line.truncated());
    EXPECT_EQ(line.text("").view(), "12345");
    EXPECT_FALSE(line.truncated());
    EXPECT_EQ(line.text("6").view(), "12...");
    EXPECT_TRUE(line.truncated());
    EXPECT_EQ(line.text("7").view(), "12...");
    line.clear();
    EXPECT_EQ(line.text("x").view(), "x");
}

TEST(Format, TruncationMarksWithinAnyBuffer) {
    const std::string text = "abcdefgh";
    for (size_t size = 0; size < text.size(); ++size) {
        std::vector<char> buffer(size); // on the heap: the sanitizer sees its ends
        Line line(buffer);
        line.text(text);
        EXPECT_TRUE(line.truncated());
        const size_t marked = std::min<size_t>(size, 3);
        EXPECT_EQ(line.view(), text.substr(0, size - marked) + std::string(marked, '.'));
    }
}

TEST(Format, AgreesWithPrintf) {
    const uint64_t seed = core_test::fresh_seed();
    SCOPED_TRACE(testing::Message() << "RUMPK_SEED=" << seed);
    core_test::Random random(seed);
    for (int step = 0; step < 100'000; ++step) {
        const uint64_t value = random.of_any_length(63);
        char expected[64];
        std::snprintf(expected, sizeof expected, "%llu 0x%016llx", static_cast<unsigned long long>(value),
                      static_cast<unsigned long long>(value));
        ASSERT_EQ(written([&](Line& l) { l.decimal(value).character(' ').hex(value); }), expected);
    }
}

} // namespace
