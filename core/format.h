// SPDX-License-Identifier: Apache-2.0
// Text for the kernel's own lines, into a buffer of fixed size. Nothing is
// allocated; what does not fit is left out, and the line then ends in "...".
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "core/types.h"

namespace rumpk {

// The text number `index` of a list of NUL-terminated ones, one behind the other: smaller than an array of
// pointers.
[[nodiscard]] constexpr const char* text_in(const char* list, size_t index) {
    while (index > 0) {
        index -= *list++ == '\0' ? 1 : 0;
    }
    return list;
}

// `Line(buffer).text("rumpk: ").decimal(cores).text(" cores")`. Not terminated.
class Line {
  public:
    explicit Line(std::span<char> buffer) : buffer_(buffer) {}

    Line& text(std::string_view text);
    Line& character(char one) { return text({&one, 1}); }
    Line& decimal(uint64_t value);
    Line& decimal_signed(int64_t value);
    // "0x" and `digits` digits; what is above them is not shown. 1..16 digits.
    Line& hex(uint64_t value, unsigned digits = 16);
    Line& address(VirtAddr address) { return hex(address.value()); }
    // "12.3 ms", rounded to the nearest tenth.
    Line& milliseconds(Nanoseconds time);
    // "118 MiB", rounded down.
    Line& mebibytes(uint64_t bytes);

    [[nodiscard]] std::string_view view() const { return {buffer_.data(), used_}; }
    [[nodiscard]] bool truncated() const { return truncated_; }
    void clear() {
        used_ = 0;
        truncated_ = false;
    }

  private:
    std::span<char> buffer_;
    size_t used_ = 0;
    bool truncated_ = false; // then the buffer is full
};

// A line with its buffer.
template <size_t Size>
class LineBuffer : public Line {
  public:
    LineBuffer() : Line(storage_) {}
    LineBuffer(const LineBuffer&) = delete;
    LineBuffer& operator=(const LineBuffer&) = delete;

  private:
    std::array<char, Size> storage_;
};

} // namespace rumpk
