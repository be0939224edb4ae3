// SPDX-License-Identifier: Apache-2.0
// The console line's framing (abi/console.h), both ways. Pure: bytes in, bytes out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "abi/hal.h"

namespace rumpk {

// Turns text of several channels into one line's bytes. Without framing it
// passes bytes on as they are.
class LineEncoder {
  public:
    void use_framing(bool framed) { framed_ = framed; }
    [[nodiscard]] bool framed() const { return framed_; }

    struct Progress {
        size_t taken;   // of in
        size_t written; // to out
    };
    // Encodes as much of `in` as fits. Never splits a frame. `out` of at least 4
    // bytes makes progress whenever `in` is not empty.
    Progress encode(hal_console_channel channel, std::span<const std::byte> in, std::span<std::byte> out);

    // The frame that ends everything: 3 bytes at most; 0 without framing.
    size_t exit_frame(uint8_t code, std::span<std::byte, 3> out) const;
    // Says that a panic follows and that the line is now in the kernel's channel.
    size_t panic_frame(std::span<std::byte, 3> out);
    // Says that standard input is wanted.
    size_t input_frame(std::span<std::byte> out) const;

  private:
    bool framed_ = false;
    int current_ = 0; // what the receiver believes to be reading: 1 + the channel; 0: nothing yet
};

// What somebody outside asks for: a set of letters of abi/telemetry.h.
class Requests {
  public:
    constexpr void add(uint32_t letter) { letters_ |= bit(letter); }
    [[nodiscard]] constexpr bool has(uint32_t letter) const { return (letters_ & bit(letter)) != 0; }

  private:
    static constexpr uint32_t bit(uint32_t letter) { return 1U << (letter % 32); }
    uint32_t letters_ = 0;
};

// Takes frames out of what arrives.
class LineDecoder {
  public:
    void use_framing(bool framed) { framed_ = framed; }

    // Decodes in place; returns how many data bytes now stand at the start. What
    // follows the end of input is dropped, and so is a frame that means nothing.
    size_t decode(std::span<std::byte> bytes);

    [[nodiscard]] bool ended() const { return ended_; }
    void end() { ended_ = true; }
    // Those that came since they were last taken, also after the end.
    [[nodiscard]] Requests take_requests() { return std::exchange(requests_, {}); }
    [[nodiscard]] bool framed() const { return framed_; }

  private:
    bool framed_ = false;
    bool escape_ = false; // the last byte of the last call was a DLE
    bool ended_ = false;
    Requests requests_;
};

} // namespace rumpk
