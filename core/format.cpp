// SPDX-License-Identifier: Apache-2.0
#include "core/format.h"

#include <algorithm>

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

Line& Line::decimal(uint64_t value) {
    std::array<char, 20> digits; // 2^64 has 20
    size_t at = digits.size();
    do {
        digits[--at] = static_cast<char>('0' + value % 10);
        value /= 10;
    } while (value != 0);
    return text({digits.data() + at, digits.size() - at});
}

Line& Line::decimal_signed(int64_t value) {
    if (value >= 0) {
        return decimal(static_cast<uint64_t>(value));
    }
    return character('-').decimal(~static_cast<uint64_t>(value) + 1); // the smallest has no positive twin
}

Line& Line::hex(uint64_t value, unsigned digits) {
    ensure(digits >= 1 && digits <= 16);
    std::array<char, 18> out{'0', 'x'};
    for (unsigned i = 0; i < digits; ++i) {
        out[1 + digits - i] = "0123456789abcdef"[value & 15];
        value >>= 4;
    }
    return text({out.data(), digits + size_t{2}});
}

Line& Line::milliseconds(Nanoseconds time) {
    constexpr uint64_t tenth = 100'000;
    const uint64_t tenths = time.value() / tenth + (time.value() % tenth >= tenth / 2 ? 1 : 0);
    return decimal(tenths / 10).character('.').decimal(tenths % 10).text(" ms");
}

Line& Line::mebibytes(uint64_t bytes) {
    return decimal(bytes >> 20).text(" MiB");
}

} // namespace rumpk
