// SPDX-License-Identifier: Apache-2.0
// What is taken from a cell while it lives, by one that manages it (parts::managers).
// docs/decisions/several.md says what that means for the cell, and for who is at the other end.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "core/cell.h"
#include "core/result.h"

namespace rumpk {

// What is left to be done when a capability has gone.
struct Revoked {
    std::string_view name;               // of what it was for
    std::array<AddressRange, 3> shown{}; // in the cell's view until then
    std::optional<uint32_t> end{};       // of a channel: its own, which is nobody's now
};

// Masked. The cell's next call with that slot finds it empty, and who waits there is woken. EBADF: it was.
// EINVAL: it is the console, or what the console's driver needs as such.
[[nodiscard]] Result<Revoked> revoke(Cell& cell, uint32_t slot);
// Not masked, in steps. The cell's view shows it no more, on any core; then the channel is closed.
void finish_revoking(const Cell& cell, const Revoked& revoked);

} // namespace rumpk
