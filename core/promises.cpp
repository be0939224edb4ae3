// SPDX-License-Identifier: Apache-2.0
#include "core/promises.h"

namespace rumpk {

namespace {

// In the order of enum Promise.
constexpr std::string_view names_in_order =
    "stdio rpath wpath cpath dpath tmppath inet mcast fattr chown flock unix dns getpw sendfd recvfd tape "
    "tty "
    "proc exec prot_exec settime ps vminfo id pf route wroute audio video bpf unveil error ";

// Cuts the next word off `text`, with the space behind it. Empty words are possible.
constexpr std::string_view take_word(std::string_view& text) {
    size_t length = 0;
    while (length < text.size() && text[length] != ' ') {
        ++length;
    }
    const std::string_view word = text.substr(0, length);
    text.remove_prefix(length < text.size() ? length + 1 : length);
    return word;
}

constexpr Result<Promise> promise_named(std::string_view name) {
    std::string_view rest = names_in_order;
    for (size_t i = 0; i < promise_count; ++i) {
        if (take_word(rest) == name) {
            return static_cast<Promise>(i);
        }
    }
    return error(Errno::inval);
}

static_assert(*promise_named("stdio") == Promise::stdio);
static_assert(*promise_named("proc") == Promise::proc);
static_assert(*promise_named("error") == Promise::error);
static_assert(!promise_named(""));

} // namespace

Result<Promises> Promises::parse(std::string_view names) {
    if (names.size() > RUMPK_PLEDGE_MAX) {
        return error(Errno::toobig);
    }
    Promises set;
    while (!names.empty()) {
        const std::string_view name = take_word(names);
        if (name.empty()) { // spaces in a row, as OpenBSD's parser allows
            continue;
        }
        const auto one = promise_named(name);
        if (!one) {
            return error(one.error());
        }
        set.bits_ |= bit(*one);
    }
    return set;
}

Result<Promises> Promises::narrowed(Promises wanted) const {
    if (contains(wanted)) {
        return wanted;
    }
    if (contains(Promise::error)) {
        return from_bits(bits_ & wanted.bits_);
    }
    return error(Errno::perm);
}

} // namespace rumpk
