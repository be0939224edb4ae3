// SPDX-License-Identifier: Apache-2.0
#include "core/revoke.h"

#include "core/calls.h"
#include "core/channels.h"
#include "core/console.h"
#include "core/devices.h"
#include "core/log.h"
#include "core/scheduler.h"
#include "core/shares.h"
#include "core/supervisor.h"

namespace rumpk {

namespace {

// Of the fiber that waits for the end of it: a bell that no program has, for bit 63 is no channel.
constexpr uint64_t done_bit = uint64_t{1} << 63;

Revoked revoke_channel(const Cell& cell, uint32_t slot) {
    const LostEnd lost = lose_end(cell, slot);
    return {lost.name, {lost.shown}, lost.number};
}

// Its line stays as it is: at the latest with its next interrupt it is quiet for ever.
Revoked revoke_device(const Cell& cell, uint32_t slot) {
    const Device& device = *device_at(cell, slot);
    Revoked revoked = revoke_channel(cell, slot);
    revoked.shown[1] = shown_of(device)[0];
    revoked.shown[2] = shown_of(device)[1];
    return revoked;
}

Revoked revoke_share(const Cell& cell, uint32_t slot) {
    const SharePlace place = lose_share(cell, slot);
    return {place.name, {place.shown}, {}};
}

// The kernel would have to be told of each step; who wants that ends the driver.
bool is_consoles_drivers(const Cell& cell, uint32_t slot) {
    if (!console().port().driven_by(cell)) {
        return false;
    }
    const Device* const device = device_at(cell, slot);
    return is_consoles(cell, slot) || (device != nullptr && is_consoles(*device));
}

// In pieces, each masked by itself. Others of the highest tier come in between, but not where the cell could
// be among them: it would not have to give the core back.
void hide(const Cell& cell, AddressRange shown) {
    const bool lets_others_in = cell.tier_ceiling() != Tier::photon;
    while (!shown.empty()) {
        const InterruptsMasked masked;
        const int64_t hidden = this_scheduler().on_kernel_stack([&]() -> int64_t {
            return machine().views->hide(cell.id().value(), shown.base.value(), shown.size);
        });
        ensure(hidden > 0); // it was mapped as a whole
        shown = {shown.base + static_cast<uint64_t>(hidden), shown.size - static_cast<uint64_t>(hidden)};
        if (lets_others_in) {
            this_scheduler().yield();
        }
    }
}

} // namespace

Result<Revoked> revoke(Cell& cell, uint32_t slot) {
    Capability& held = cell.capabilities[slot];
    Revoked revoked;
    switch (held.kind) {
    case RUMPK_CAP_NONE:
        return error(Errno::badf);
    case RUMPK_CAP_CHANNEL:
    case RUMPK_CAP_DEVICE:
        if (is_consoles_drivers(cell, slot)) {
            return error(Errno::inval);
        }
        revoked = held.kind == RUMPK_CAP_DEVICE ? revoke_device(cell, slot) : revoke_channel(cell, slot);
        break;
    case RUMPK_CAP_SHARE:
        revoked = revoke_share(cell, slot);
        break;
    case RUMPK_CAP_CELL:
        revoked.name = managed_at(cell, slot)->name();
        break;
    default:
        return error(Errno::inval);
    }
    held = {RUMPK_CAP_NONE, {}, held.epoch + 1, 0};
    cell.deprive();
    return revoked;
}

void finish_revoking(const Cell& cell, const Revoked& revoked) {
    for (const AddressRange& shown : revoked.shown) {
        if (parts::cells) {
            hide(cell, shown);
        }
    }
    if (revoked.end) {
        close_lost_end(*revoked.end);
    }
}

// It is the supervisor that does what is long, for the caller may be ended meanwhile; and in its own tier,
// for no fiber of the cell may keep the core from it.
int64_t Supervisor::take_from_outside(const Caller& by, uint32_t slot, uint64_t reason) {
    if (taker_ != nullptr) {
        return to_call(Errno::busy);
    }
    const int64_t taken = by.scheduler.on_kernel_stack([&]() -> int64_t {
        const auto revoked = revoke(*cell_, slot);
        if (!revoked) {
            return to_call(revoked.error());
        }
        revoked_ = *revoked;
        return 0;
    });
    if (taken < 0) {
        return taken;
    }
    taker_ = &by.cell;
    take_reason_ = reason;
    asker_ = {&by.fiber, by.fiber.id};
    by.scheduler.ring(*fiber_, taken_bit);
    (void)by.scheduler.wait(done_bit, Instant::never());
    return 0;
}

// The cell may end meanwhile: then that is dealt with behind this.
void Supervisor::finish_taking() {
    print("cell %.*s: %.*s taken by cell %.*s, reason %lu", RUMPK_TEXT(cell_->name()),
          RUMPK_TEXT(revoked_.name), RUMPK_TEXT(taker_->name()), take_reason_);
    finish_revoking(*cell_, revoked_);
    const InterruptsMasked masked;
    taker_ = nullptr;
    if (asker_.fiber->id == asker_.id) {
        this_scheduler().ring(*asker_.fiber, done_bit);
    }
}

} // namespace rumpk
