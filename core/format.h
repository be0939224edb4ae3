// SPDX-License-Identifier: Apache-2.0
// Text for the kernel's own lines, into a buffer of fixed size. Nothing is
// allocated; what does not fit is left out, and the line then ends in "...".
#pragma once

#include <array>
#include <cstdarg>
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

// What a string_view is to `%.*s`: two arguments. Shorter than 2 GiB.
#define RUMPK_TEXT(view) static_cast<int>((view).size()), (view).data()

// `Line(buffer).format("rumpk: %lu cores", cores)`. Not terminated.
class Line {
  public:
    explicit Line(std::span<char> buffer) : buffer_(buffer) {}

    // printf's notation; of its conversions %s, %.*s, %lu, %ld and %lx, with a width: texts are filled up
    // with spaces behind ("%-4s"), numbers with zeros before ("%016lx"). The compiler holds the values to it.
    // They cost what passing them costs: a chain of calls, one a part, was three times as large.
    [[gnu::format(printf, 2, 3)]] Line& format(const char* format, ...);
    Line& format_list(const char* format, va_list values);
    Line& text(std::string_view text);

    [[nodiscard]] std::string_view view() const { return {buffer_.data(), used_}; }
    [[nodiscard]] bool truncated() const { return truncated_; }
    void clear() {
        used_ = 0;
        truncated_ = false;
    }

  private:
    void padded(const char* string, size_t most, size_t width);
    void number(uint64_t value, unsigned base, size_t width);

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
