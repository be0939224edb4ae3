// SPDX-License-Identifier: Apache-2.0
#include "core/format.h"

#include <algorithm>
#include <limits>

namespace rumpk {

namespace {

constexpr std::string_view mark = "...";

} // namespace

Line& Line::text(std::string_view text) {
    const size_t room = buffer_.size() - used_;
    const size_t taken = std::min(room, text.size());
    std::ranges::copy(text.substr(0, taken), buffer_.begin() + static_cast<ptrdiff_t>(used_));
    used_ += taken;
    if (taken < text.size()) {
        truncated_ = true;
        const size_t marked = std::min(mark.size(), buffer_.size());
        std::ranges::copy(mark.substr(0, marked), buffer_.end() - static_cast<ptrdiff_t>(marked));
    }
    return *this;
}

void Line::padded(const char* string, size_t most, size_t width) {
    size_t length = 0;
    while (length < most && string[length] != '\0') {
        ++length;
    }
    text({string, length});
    for (; length < width; ++length) {
        text(" ");
    }
}

void Line::number(uint64_t value, unsigned base, size_t width) {
    std::array<char, 20> digits; // 2^64 has 20
    size_t at = digits.size();
    width = std::min(width, digits.size());
    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0 || digits.size() - at < width);
    text({digits.data() + at, digits.size() - at});
}

Line& Line::format(const char* format, ...) {
    va_list values;
    va_start(values, format);
    format_list(format, values);
    va_end(values);
    return *this;
}

// The compiler has seen every format: none ends within a conversion.
Line& Line::format_list(const char* format, va_list values) {
    for (; *format != '\0'; ++format) {
        if (*format != '%') {
            text({format, 1});
            continue;
        }
        size_t width = 0;
        size_t most = std::numeric_limits<size_t>::max(); // of a text
        for (++format; *format < 'a' || *format == 'l'; ++format) {
            if (*format == '*') {
                most = static_cast<size_t>(va_arg(values, int));
            } else if (*format >= '0' && *format <= '9') {
                width = 10 * width + static_cast<size_t>(*format - '0');
            }
        }
        if (*format == 's') {
            padded(va_arg(values, const char*), most, width);
            continue;
        }
        auto value = va_arg(values, uint64_t);
        if (*format == 'd' && static_cast<int64_t>(value) < 0) {
            text("-");
            value = -value; // the smallest has no positive twin, but this is its size
        }
        number(value, *format == 'x' ? 16 : 10, width);
    }
    return *this;
}

} // namespace rumpk
