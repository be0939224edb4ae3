// SPDX-License-Identifier: Apache-2.0
#include "core/unveil.h"

#include <algorithm>

namespace rumpk {

namespace {

constexpr uint64_t known_rights =
    RUMPK_RIGHT_READ | RUMPK_RIGHT_WRITE | RUMPK_RIGHT_EXEC | RUMPK_RIGHT_CREATE;

// Is `path` the same as `top`, or beneath it? Both are spelled as check_path asks.
bool is_at_or_beneath(std::string_view path, std::string_view top) {
    if (top == "/") {
        return true;
    }
    return path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/');
}

} // namespace

Result<void> check_path(std::string_view path) {
    if (path.size() > RUMPK_PATH_MAX) {
        return error(Errno::toobig);
    }
    if (!path.starts_with('/')) {
        return error(Errno::inval);
    }
    if (path == "/") {
        return {};
    }
    size_t start = 1; // of the component that is read
    for (size_t i = 1; i <= path.size(); ++i) {
        if (i < path.size() && path[i] != '/') {
            if (path[i] == '\0') {
                return error(Errno::inval);
            }
            continue;
        }
        const std::string_view component = path.substr(start, i - start);
        if (component.empty() || component == "." || component == "..") {
            return error(Errno::inval);
        }
        start = i + 1;
    }
    return {};
}

Result<uint64_t> UnveilTable::begin() {
    if (locked_) {
        return error(Errno::perm);
    }
    return ++turn_;
}

void UnveilTable::put(uint64_t turn, size_t at, std::span<const char> bytes) {
    if (turn == turn_) {
        std::ranges::copy(bytes, entries_[count_].path.begin() + static_cast<ptrdiff_t>(at));
    }
}

Result<size_t> UnveilTable::find(size_t length) const {
    const size_t count = count_;
    const std::string_view path{entries_[count].path.data(), length};
    if (const auto spelled = check_path(path); !spelled) {
        return error(spelled.error());
    }
    size_t at = 0;
    while (at < count && entries_[at].view() != path) {
        ++at;
    }
    return at;
}

Result<void> UnveilTable::finish(uint64_t turn, size_t length, Result<size_t> found, uint64_t rights) {
    if (turn != turn_) {
        return error(Errno::again);
    }
    if (!found) {
        return error(found.error());
    }
    if ((rights & ~known_rights) != 0) {
        return error(Errno::inval);
    }
    Entry& entry = entries_[*found];
    if (*found < count_) {
        if ((rights & ~uint64_t{entry.rights}) != 0) {
            return error(Errno::perm);
        }
    } else if (count_ == RUMPK_UNVEIL_MAX) {
        return error(Errno::toobig);
    } else {
        ++turn_; // the place is taken
        ++count_;
        entry.length = static_cast<uint8_t>(length);
    }
    entry.rights = static_cast<uint8_t>(rights);
    return {};
}

Result<void> UnveilTable::lock() {
    if (locked_) {
        return error(Errno::perm);
    }
    locked_ = true;
    ++turn_; // also for whom is adding
    return {};
}

Result<Rights> UnveilTable::rights(std::string_view path) const {
    if (const auto spelled = check_path(path); !spelled) {
        return error(spelled.error());
    }
    if (count_ == 0 && !locked_) { // unveil was never used: everything is visible
        return Rights{static_cast<uint32_t>(known_rights)};
    }
    const Entry* longest = nullptr;
    for (const Entry& entry : std::span{entries_}.first(count_)) {
        if (is_at_or_beneath(path, entry.view()) && (longest == nullptr || entry.length > longest->length)) {
            longest = &entry;
        }
    }
    if (longest == nullptr || longest->rights == 0) {
        return error(Errno::noent);
    }
    return Rights{longest->rights};
}

Result<void> UnveilTable::check(std::string_view path, Rights wanted) const {
    const auto held = rights(path);
    if (!held) {
        return error(held.error());
    }
    return held->contains(wanted) ? Result<void>{} : error(Errno::perm);
}

} // namespace rumpk
