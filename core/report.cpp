// SPDX-License-Identifier: Apache-2.0
#include "core/report.h"

#include "core/calls.h"
#include "core/console.h"
#include "core/scheduler.h"
#include "core/supervisor.h"

namespace rumpk {

namespace {

// Apart from the others, which it would make longer in images that never send one.
struct {
    rumpk_telemetry header;
    rumpk_telemetry_cell cell;
} cell_message;

// The console's fiber, then all cells' slots. nullptr: there are no more.
const Fiber* fiber_at(uint32_t place) {
    if (place == 0) {
        return &console().fiber();
    }
    --place;
    for (Cell& cell : cells()) {
        if (place < cell.fiber_slots()) {
            return &cell.fibers()[place];
        }
        place -= cell.fiber_slots();
    }
    return nullptr;
}

} // namespace

std::span<const std::byte> Report::message(rumpk_telemetry_kind kind, uint32_t length) {
    message_.header = {.kind = static_cast<uint32_t>(kind), .length = length};
    return std::as_bytes(std::span(&message_, 1)).first(sizeof message_.header + length);
}

// Masked. Empty: of all that have a supervisor it has been told.
std::span<const std::byte> Report::next_cell() {
    while (next_cell_ < cells().size()) {
        if (const Supervisor* const its = cells()[next_cell_++].supervisor()) {
            cell_message = {{RUMPK_TELEMETRY_CELL, sizeof cell_message.cell}, its->told()};
            return std::as_bytes(std::span(&cell_message, 1));
        }
    }
    return {};
}

// What is said of cells is behind a question for parts, so that no other image is longer for it.
std::span<const std::byte> Report::next() {
    while (next_ != done) {
        const InterruptsMasked masked; // for one fiber; at home nobody else begins or ends one meanwhile
        if (next_ == system) {
            next_ = first_fiber;
            if (parts::supervisors()) {
                next_cell_ = 0;
            }
            message_.system = describe_system(this_scheduler());
            return message(RUMPK_TELEMETRY_SYSTEM, sizeof message_.system);
        }
        if (parts::supervisors()) {
            if (const auto cell = next_cell(); !cell.empty()) {
                return cell;
            }
        }
        const Fiber* const fiber = fiber_at(next_ - first_fiber);
        ++next_;
        if (fiber == nullptr) {
            next_ = done;
            return message(RUMPK_TELEMETRY_END, 0);
        }
        const bool kernels = fiber->cell == nullptr;
        // A block that nobody has used yet has no stack.
        if (with_ended_ ? kernels || fiber->has_lived() : kernels || FiberId{fiber->id} != FiberId::none()) {
            message_.fiber = {
                .number = trace_number(fiber), .owner = kernels ? 1U : 0U, .fiber = describe_fiber(*fiber)};
            if (parts::views && !kernels) {
                message_.fiber.owner = 2 * fiber->cell->id().value();
            }
            return message(RUMPK_TELEMETRY_FIBER, sizeof message_.fiber);
        }
    }
    return {};
}

} // namespace rumpk
