// SPDX-License-Identifier: Apache-2.0
#include "core/framing.h"

#include "abi/console.h"
#include "abi/telemetry.h"

namespace rumpk {

namespace {

constexpr std::byte dle{RUMPK_CONSOLE_DLE};

char frame_of(hal_console_channel channel) {
    switch (channel) {
    case HAL_CONSOLE_STDOUT:
        return RUMPK_CONSOLE_STDOUT;
    case HAL_CONSOLE_STDERR:
        return RUMPK_CONSOLE_STDERR;
    case HAL_CONSOLE_TELEMETRY:
        return RUMPK_CONSOLE_TELEMETRY;
    case HAL_CONSOLE_KERNEL:
        break;
    }
    return RUMPK_CONSOLE_KERNEL;
}

} // namespace

LineEncoder::Progress LineEncoder::encode(hal_console_channel channel, std::span<const std::byte> in,
                                          std::span<std::byte> out) {
    const std::byte* from = in.data();
    const std::byte* const end = from + in.size();
    std::byte* to = out.data();
    const std::byte* const stop = to + out.size();
    if (framed_ && !in.empty() && current_ != channel + 1 && out.size() >= 2) {
        *to++ = dle;
        *to++ = static_cast<std::byte>(frame_of(channel));
        current_ = channel + 1;
    }
    while (from != end && to != stop) {
        if (*from == dle && framed_) {
            if (stop - to < 2) {
                break;
            }
            *to++ = dle;
        }
        *to++ = *from++;
    }
    return {static_cast<size_t>(from - in.data()), static_cast<size_t>(to - out.data())};
}

size_t LineEncoder::exit_frame(uint8_t code, std::span<std::byte, 3> out) const {
    if (!framed_) {
        return 0;
    }
    out[0] = dle;
    out[1] = static_cast<std::byte>(RUMPK_CONSOLE_EXIT);
    out[2] = static_cast<std::byte>(code);
    return 3;
}

size_t LineEncoder::panic_frame(std::span<std::byte, 3> out) {
    if (!framed_) {
        return 0;
    }
    out[0] = dle;
    out[1] = static_cast<std::byte>(RUMPK_CONSOLE_PANIC);
    current_ = HAL_CONSOLE_KERNEL + 1;
    return 2;
}

size_t LineEncoder::input_frame(std::span<std::byte> out) const {
    if (!framed_) {
        return 0;
    }
    out[0] = dle;
    out[1] = static_cast<std::byte>(RUMPK_CONSOLE_INPUT);
    return 2;
}

size_t LineDecoder::decode(std::span<std::byte> bytes) {
    if (!framed_) {
        return ended_ ? 0 : bytes.size();
    }
    size_t kept = 0;
    for (const std::byte byte : bytes) {
        if (!escape_ && byte == dle) {
            escape_ = true;
        } else if (!std::exchange(escape_, false) || byte == dle) {
            if (!ended_) {
                bytes[kept++] = byte;
            }
        } else if (byte == std::byte{RUMPK_CONSOLE_END_OF_INPUT}) {
            ended_ = true;
        } else if (byte == std::byte{RUMPK_REQUEST_REPORT} || byte == std::byte{RUMPK_REQUEST_STOP}) {
            requests_.add(std::to_integer<uint32_t>(byte));
        }
    }
    return kept;
}

} // namespace rumpk
