// SPDX-License-Identifier: Apache-2.0
//
// Lines of any bytes, each once as a pledge and once as a path to unveil, to look
// up, or to lock on. Promises never grow; what was unveiled never gains rights,
// and nothing changes after the lock.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "core/promises.h"
#include "core/unveil.h"

namespace {

using namespace rumpk;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void pledge(Promises& held, std::string_view line) {
    const auto wanted = Promises::parse(line);
    require(wanted || wanted.error() == (line.size() > RUMPK_PLEDGE_MAX ? Errno::toobig : Errno::inval));
    if (!wanted) {
        return;
    }
    const auto after = held.narrowed(*wanted);
    require(after ? held.contains(*after) && wanted->contains(*after) : !held.contains(*wanted));
    held = after.value_or(held);
}

// All steps of one path in a row.
Result<void> add(UnveilTable& table, std::string_view path, uint64_t rights) {
    const auto turn = table.begin();
    if (!turn) {
        return error(turn.error());
    }
    if (path.size() > RUMPK_PATH_MAX) {
        return error(Errno::toobig); // the call's to find out
    }
    table.put(*turn, 0, path);
    return table.finish(*turn, path.size(), table.find(path.size()), rights);
}

void unveil(UnveilTable& table, std::string_view line) {
    const uint64_t rights = line.empty() ? 0 : static_cast<uint8_t>(line.front());
    const std::string_view path = line.empty() ? line : line.substr(1);
    if (line == "lock") {
        const bool first = !table.locked();
        require(table.lock().has_value() == first && table.locked());
        return;
    }
    const bool was_locked = table.locked();
    const auto before = table.rights(path);
    const auto added = add(table, path, rights);
    require(!was_locked || (!added && added.error() == Errno::perm));
    const auto after = table.rights(path);
    if (!added) {
        require(after == before);
        return;
    }
    require(check_path(path).has_value());
    require(after ? after->bits() == rights && rights != 0 : rights == 0 && after.error() == Errno::noent);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    Promises held = Promises::all();
    UnveilTable table;
    while (!text.empty()) {
        const size_t end = std::min(text.find('\n'), text.size());
        pledge(held, text.substr(0, end));
        unveil(table, text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return 0;
}
