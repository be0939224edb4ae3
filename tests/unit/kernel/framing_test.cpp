// SPDX-License-Identifier: Apache-2.0
// The console line's framing: all 256 values both ways, whatever the pieces.
#include "core/framing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "abi/console.h"
#include "abi/telemetry.h"

namespace rumpk {
namespace {

using Bytes = std::vector<std::byte>;

Bytes all_values() {
    Bytes bytes;
    for (int round = 0; round < 3; ++round) {
        for (int value = 0; value < 256; ++value) {
            bytes.push_back(static_cast<std::byte>(value));
        }
    }
    return bytes;
}

Bytes encode(LineEncoder& encoder, hal_console_channel channel, std::span<const std::byte> in, size_t room) {
    Bytes line;
    while (!in.empty()) {
        Bytes out(room);
        const auto [taken, written] = encoder.encode(channel, in, out);
        EXPECT_GT(taken + written, 0U);
        line.insert(line.end(), out.begin(), out.begin() + static_cast<ptrdiff_t>(written));
        in = in.subspan(taken);
    }
    return line;
}

// What a receiver makes of the line, by channel: written from abi/console.h, not from the encoder.
struct Received {
    std::string by_channel[256];
    int exit = -1;
    bool panic = false;
};

Received receive(const Bytes& line) {
    Received got;
    size_t channel = 0;
    for (size_t at = 0; at < line.size(); ++at) {
        if (line[at] != std::byte{RUMPK_CONSOLE_DLE}) {
            got.by_channel[channel].push_back(static_cast<char>(line[at]));
            continue;
        }
        const auto frame = std::to_integer<uint8_t>(line.at(++at));
        if (frame == RUMPK_CONSOLE_DLE) {
            got.by_channel[channel].push_back(static_cast<char>(frame));
        } else if (frame == RUMPK_CONSOLE_EXIT) {
            got.exit = static_cast<int>(line.at(++at));
        } else {
            got.panic |= frame == RUMPK_CONSOLE_PANIC;
            channel = frame == RUMPK_CONSOLE_PANIC ? size_t{RUMPK_CONSOLE_KERNEL} : frame;
        }
    }
    return got;
}

std::string text(const Bytes& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(LineEncoder, PassesEveryValueInPiecesOfAnySize) {
    for (size_t room : {4U, 5U, 7U, 64U, 4096U}) {
        LineEncoder encoder;
        encoder.use_framing(true);
        const Bytes data = all_values();
        EXPECT_EQ(receive(encode(encoder, HAL_CONSOLE_STDOUT, data, room)).by_channel['o'], text(data))
            << room;
    }
}

TEST(LineEncoder, KeepsChannelsApart) {
    LineEncoder encoder;
    encoder.use_framing(true);
    Bytes line;
    for (auto [channel, what] : {std::pair{HAL_CONSOLE_STDOUT, "out"},
                                 {HAL_CONSOLE_STDERR, "err"},
                                 {HAL_CONSOLE_KERNEL, "kernel"},
                                 {HAL_CONSOLE_STDOUT, "more"}}) {
        const Bytes piece = encode(encoder, channel, std::as_bytes(std::span(std::string_view(what))), 64);
        line.insert(line.end(), piece.begin(), piece.end());
    }
    const Received got = receive(line);
    EXPECT_EQ(got.by_channel['o'], "outmore");
    EXPECT_EQ(got.by_channel['e'], "err");
    EXPECT_EQ(got.by_channel['k'], "kernel");
    EXPECT_EQ(got.by_channel[0], "");
}

TEST(LineEncoder, NeverSplitsAFrame) {
    LineEncoder encoder;
    encoder.use_framing(true);
    const Bytes data(3, std::byte{RUMPK_CONSOLE_DLE});
    Bytes out(5); // channel frame, one escaped byte, and one byte in which half an escape would fit
    const auto [taken, written] = encoder.encode(HAL_CONSOLE_STDOUT, data, out);
    EXPECT_EQ(taken, 1U);
    EXPECT_EQ(written, 4U);
}

TEST(LineEncoder, EndsWithCodeOrPanic) {
    LineEncoder encoder;
    encoder.use_framing(true);
    std::byte frame[3];
    ASSERT_EQ(encoder.panic_frame(frame), 2U);
    EXPECT_TRUE(receive({frame, frame + 2}).panic);
    ASSERT_EQ(encoder.exit_frame(123, frame), 3U);
    EXPECT_EQ(receive({frame, frame + 3}).exit, 123);
}

TEST(LineEncoder, WithoutFramingAddsNothing) {
    LineEncoder encoder;
    const Bytes data = all_values();
    EXPECT_EQ(encode(encoder, HAL_CONSOLE_STDOUT, data, 16), data);
    std::byte frame[3];
    EXPECT_EQ(encoder.exit_frame(0, frame), 0U);
    EXPECT_EQ(encoder.panic_frame(frame), 0U);
}

Bytes line_of(const Bytes& data) {
    Bytes line;
    for (const std::byte byte : data) {
        if (byte == std::byte{RUMPK_CONSOLE_DLE}) {
            line.push_back(byte);
        }
        line.push_back(byte);
    }
    line.push_back(std::byte{RUMPK_CONSOLE_DLE});
    line.push_back(std::byte{RUMPK_CONSOLE_END_OF_INPUT});
    return line;
}

TEST(LineDecoder, PassesEveryValueInPiecesOfAnySize) {
    const Bytes data = all_values();
    for (size_t piece : {1U, 2U, 3U, 16U, 1000U}) {
        LineDecoder decoder;
        decoder.use_framing(true);
        Bytes line = line_of(data);
        Bytes got;
        for (size_t at = 0; at < line.size(); at += piece) {
            const std::span part(line.data() + at, std::min(piece, line.size() - at));
            const size_t kept = decoder.decode(part);
            got.insert(got.end(), part.begin(), part.begin() + static_cast<ptrdiff_t>(kept));
        }
        EXPECT_EQ(got, data) << piece;
        EXPECT_TRUE(decoder.ended());
    }
}

TEST(LineDecoder, DropsWhatItDoesNotKnow) {
    LineDecoder decoder;
    decoder.use_framing(true);
    Bytes line{std::byte{'a'}, std::byte{RUMPK_CONSOLE_DLE}, std::byte{'?'}, std::byte{'b'}};
    EXPECT_EQ(decoder.decode(line), 2U);
    EXPECT_EQ(line[0], std::byte{'a'});
    EXPECT_EQ(line[1], std::byte{'b'});
    EXPECT_FALSE(decoder.ended());
}

TEST(LineEncoder, SaysThatInputIsWanted) {
    LineEncoder encoder;
    std::byte frame[2];
    EXPECT_EQ(encoder.input_frame(frame), 0U);
    encoder.use_framing(true);
    ASSERT_EQ(encoder.input_frame(frame), 2U);
    EXPECT_EQ(frame[0], std::byte{RUMPK_CONSOLE_DLE});
    EXPECT_EQ(frame[1], std::byte{RUMPK_CONSOLE_INPUT});
}

TEST(LineDecoder, KeepsRequestsUntilTheyAreTaken) {
    LineDecoder decoder;
    decoder.use_framing(true);
    const std::byte dle{RUMPK_CONSOLE_DLE};
    Bytes first{std::byte{'a'}, dle, std::byte{RUMPK_REQUEST_REPORT}, std::byte{'b'}, dle};
    EXPECT_EQ(decoder.decode(first), 2U);
    EXPECT_EQ(first[1], std::byte{'b'});
    Requests asked = decoder.take_requests();
    EXPECT_TRUE(asked.has(RUMPK_REQUEST_REPORT));
    EXPECT_FALSE(asked.has(RUMPK_REQUEST_STOP));
    EXPECT_FALSE(decoder.take_requests().has(RUMPK_REQUEST_REPORT));
    Bytes second{std::byte{RUMPK_CONSOLE_END_OF_INPUT}, std::byte{'c'}, dle, std::byte{RUMPK_REQUEST_STOP}};
    EXPECT_EQ(decoder.decode(second), 0U); // also behind the end of input
    EXPECT_TRUE(decoder.ended());
    EXPECT_TRUE(decoder.take_requests().has(RUMPK_REQUEST_STOP));
}

TEST(LineDecoder, NothingComesAfterTheEnd) {
    LineDecoder decoder;
    decoder.use_framing(true);
    Bytes line = line_of({std::byte{'a'}});
    line.push_back(std::byte{'x'});
    EXPECT_EQ(decoder.decode(line), 1U);
    Bytes late{std::byte{'y'}};
    EXPECT_EQ(decoder.decode(late), 0U);
}

} // namespace
} // namespace rumpk
