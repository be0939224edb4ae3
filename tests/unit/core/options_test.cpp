// SPDX-License-Identifier: Apache-2.0
//
// Boot arguments: what is ours, what is the application's, what is nobody's.
#include <gtest/gtest.h>

#include "core/options.h"

namespace {

using rumpk::BootOptions;
using rumpk::parse_options;

TEST(Options, NothingGivesTheDefaults) {
    for (const char* text : {"", " ", "   ", "--", "-- "}) {
        const BootOptions options = parse_options(text);
        EXPECT_FALSE(options.console_framed) << text;
        EXPECT_FALSE(options.log_verbose) << text;
        EXPECT_TRUE(options.arguments.empty()) << text;
        EXPECT_EQ(options.unknown_count, 0u) << text;
    }
}

TEST(Options, BothOptionsAndArguments) {
    const BootOptions options = parse_options("rumpk.console=framed rumpk.log=verbose -- a b%20c %");
    EXPECT_TRUE(options.console_framed);
    EXPECT_TRUE(options.log_verbose);
    EXPECT_EQ(options.arguments, "a b%20c %");
    EXPECT_TRUE(options.unknown.empty());
}

TEST(Options, TheLastHolds) {
    EXPECT_FALSE(parse_options("rumpk.console=framed rumpk.console=plain").console_framed);
    EXPECT_TRUE(parse_options("rumpk.log=quiet rumpk.log=verbose").log_verbose);
    EXPECT_FALSE(parse_options("rumpk.log=verbose rumpk.log=quiet").log_verbose);
}

TEST(Options, OnlyTheFirstSeparatorSeparates) {
    EXPECT_EQ(parse_options("-- a -- b").arguments, "a -- b");
    EXPECT_EQ(parse_options("--  a").arguments, " a");
    EXPECT_EQ(parse_options("--x -- y").arguments, "y");
}

TEST(Options, ArgumentsAreNotOptions) {
    const BootOptions options = parse_options("-- rumpk.console=framed rumpk.no");
    EXPECT_FALSE(options.console_framed);
    EXPECT_EQ(options.unknown_count, 0u);
}

TEST(Options, UnknownOnesAreReportedAndForeignOnesPassed) {
    const BootOptions options =
        parse_options("root=/dev/vda  rumpk.consol=framed rumpk.log=loud rumpk. rumpkx rumpk.log=verbose");
    EXPECT_EQ(options.unknown, "rumpk.consol=framed");
    EXPECT_EQ(options.unknown_count, 3u);
    EXPECT_TRUE(options.log_verbose);
    EXPECT_FALSE(options.console_framed);
}

TEST(Options, WholeWordsOnly) {
    EXPECT_FALSE(parse_options("rumpk.console=framedx").console_framed);
    EXPECT_FALSE(parse_options("xrumpk.console=framed").console_framed);
    EXPECT_FALSE(parse_options("rumpk.console=framed\t").console_framed);
}

TEST(Options, SizeOfTheTrace) {
    EXPECT_EQ(parse_options("").trace_size, 0u);
    EXPECT_EQ(parse_options("rumpk.trace=04").trace_size, 4u);
    EXPECT_EQ(parse_options("rumpk.trace=14").trace_size, 14u);
    EXPECT_EQ(parse_options("rumpk.trace=20").trace_size, 20u);
    for (const char* wrong : {"rumpk.trace", "rumpk.trace=", "rumpk.trace=03", "rumpk.trace=21",
                              "rumpk.trace=99", "rumpk.trace=4", "rumpk.trace=014",
                              "rumpk.trace=/:", "rumpk.trace=0:", "rumpk.trace=1x", "rumpk.trace=x1"}) {
        const BootOptions options = parse_options(wrong);
        EXPECT_EQ(options.unknown_count, 1u) << wrong;
        EXPECT_EQ(options.unknown, wrong);
    }
}

} // namespace
