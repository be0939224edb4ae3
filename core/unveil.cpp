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

Result<void> UnveilTable::add(std::string_view path, uint64_t rights) {
    if (locked_) {
        return error(Errno::perm);
    }
    if (const auto spelled = check_path(path); !spelled) {
        return spelled;
    }
    if ((rights & ~known_rights) != 0) {
        return error(Errno::inval);
    }
    for (Entry& entry : std::span{entries_}.first(count_)) {
        if (entry.view() == path) {
            if ((rights & ~uint64_t{entry.rights}) != 0) {
                return error(Errno::perm);
            }
            entry.rights = static_cast<uint8_t>(rights);
            return {};
        }
    }
    if (count_ == entries_.size()) {
        return error(Errno::toobig);
    }
    Entry& entry = entries_[count_++];
    entry.length = static_cast<uint8_t>(path.size());
    entry.rights = static_cast<uint8_t>(rights);
    std::ranges::copy(path, entry.path.begin());
    return {};
}

Result<void> UnveilTable::lock() {
    if (locked_) {
        return error(Errno::perm);
    }
    locked_ = true;
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
