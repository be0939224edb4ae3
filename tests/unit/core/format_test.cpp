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

TEST(Format, Texts) {
    EXPECT_EQ(written([](Line& l) { l.format("plain"); }), "plain");
    EXPECT_EQ(written([](Line& l) { l.format("<%s%s>", "", "ab"); }), "<ab>");
    EXPECT_EQ(written([](Line& l) { l.format("<%-4s|%-2s>", "ab", "abc"); }), "<ab  |abc>");
    const std::string_view part = std::string_view{"abcd"}.substr(1, 2);
    EXPECT_EQ(written([&](Line& l) { l.format("<%.*s>", RUMPK_TEXT(part)); }), "<bc>");
    EXPECT_EQ(written([](Line& l) { l.format("<%.*s>", RUMPK_TEXT(std::string_view{})); }), "<>");
}

TEST(Format, Numbers) {
    EXPECT_EQ(written([](Line& l) { l.format("%lu", uint64_t{0}); }), "0");
    EXPECT_EQ(written([](Line& l) { l.format("%lu %lu", uint64_t{10}, largest); }),
              "10 18446744073709551615");
    EXPECT_EQ(written([](Line& l) { l.format("%ld %ld", int64_t{-1}, int64_t{42}); }), "-1 42");
    EXPECT_EQ(written([](Line& l) { l.format("%ld", std::numeric_limits<int64_t>::min()); }),
              "-9223372036854775808");
    EXPECT_EQ(written([](Line& l) { l.format("0x%016lx", uint64_t{0x80201234}); }), "0x0000000080201234");
    EXPECT_EQ(written([](Line& l) { l.format("%lx %lx", uint64_t{0xabc}, largest); }),
              "abc ffffffffffffffff");
}

TEST(Format, ChainsAndClears) {
    LineBuffer<64> line;
    line.text("a").format(" %lu", uint64_t{1}).text("");
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
        constexpr const char* format = "%lu 0x%016lx %ld %-3s";
        std::snprintf(expected, sizeof expected, format, value, value, -static_cast<int64_t>(value), "s");
        ASSERT_EQ(
            written([&](Line& l) { l.format(format, value, value, -static_cast<int64_t>(value), "s"); }),
            expected);
    }
}

} // namespace
