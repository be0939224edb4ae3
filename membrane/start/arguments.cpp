// SPDX-License-Identifier: Apache-2.0
//
// From boot arguments to argv. They are separated by single spaces, every byte outside
// [A-Za-z0-9._/:=,@+-] is %XX, and an empty one is a lone %.
#include <cstring>

#include "nexus/meta.h"
#include "start/process.h"

namespace nexus::detail {

namespace {

// Negative: no hexadecimal digit.
[[nodiscard]] int hex_value(char digit) {
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    const char lower = static_cast<char>(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Decodes one argument in place and ends it with a NUL; `end` is where its text ended, a space or the
// end of all. What is no escape stands for itself.
void decode(char* text, const char* end) {
    char* out = text;
    for (const char* in = text; in != end; ++in) {
        // Negative if one of both is.
        const int byte = *in == '%' && end - in >= 3 ? hex_value(in[1]) << 4 | hex_value(in[2]) : -1;
        if (byte >= 0) {
            *out++ = static_cast<char>(byte);
            in += 2;
        } else if (*in != '%' || end - text != 1) {
            *out++ = *in;
        }
    }
    *out = '\0';
}

// argv[0]: the first fiber carries its cell's name. Only the front is asked for: a question for more would
// have the times of all fibers counted. No name: it stays empty.
[[nodiscard]] char* cell_name() {
    constexpr size_t front = offsetof(rumpk_meta_fiber, name) + sizeof(rumpk_meta_fiber::name);
    static char fiber[front + 1]; // zero: the name may need all of its place
    (void)call::meta(RUMPK_META_FIBER, std::as_writable_bytes(std::span(fiber, front)));
    return fiber + offsetof(rumpk_meta_fiber, name);
}

} // namespace

Arguments make_arguments() {
    static char* only_name[2];
    only_name[0] = cell_name();
    const size_t size = call::meta(RUMPK_META_ARGS, {}).value_or(0);
    if (size == 0) {
        return {1, only_name};
    }
    char* text = static_cast<char*>(take_memory(size + 1));
    if (text == nullptr || !call::meta(RUMPK_META_ARGS, std::as_writable_bytes(std::span(text, size)))) {
        return {1, only_name};
    }
    char* const text_end = text + size;
    int count = 2;
    for (const char* each = text; each != text_end; ++each) {
        count += *each == ' ';
    }
    char** values = static_cast<char**>(take_memory((static_cast<size_t>(count) + 1) * sizeof(char*)));
    if (values == nullptr) {
        return {1, only_name};
    }
    values[0] = only_name[0];
    char* at = text;
    for (int i = 1; i < count; ++i) {
        char* end = static_cast<char*>(std::memchr(at, ' ', static_cast<size_t>(text_end - at)));
        end = end == nullptr ? text_end : end;
        values[i] = at;
        decode(at, end);
        at = end + 1;
    }
    values[count] = nullptr;
    return {count, values};
}

} // namespace nexus::detail
