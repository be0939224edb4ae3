// SPDX-License-Identifier: Apache-2.0
#include "core/channels.h"

#include <bit>

#include "core/log.h"
#include "core/memory.h"
#include "ion/consumer.h"
#include "ion/producer.h"

namespace rumpk {

namespace {

constexpr uint64_t page = HAL_PAGE_SIZE;
constexpr uint32_t first_slot = Cell::machine_slot + 1;
constexpr uint32_t slots_end = RUMPK_CAP_SLOTS - 1; // bit 63 of a mask is no channel

std::span<Channel> all;

ion::Geometry geometry_of(const Channel& channel) {
    return *ion::Geometry::make(channel.ring.slots, channel.ring.slot_size); // as the table's reader checked
}

std::span<std::byte> memory_of(const Channel& channel) {
    return {boot_memory().touch(channel.memory), geometry_of(channel).bytes()};
}

// Own end first.
struct Ends {
    ChannelEnd& own;
    ChannelEnd& other;
};
Ends ends_at(const Capability& held) {
    Channel& channel = all[held.object];
    const uint32_t own = held.rights.contains(right_write) ? 0 : 1;
    return {channel.ends[own], channel.ends[1 - own]};
}

// Of those bits that are channels between cells.
template <typename Do>
void for_each(const Cell& cell, uint64_t channels, Do&& what) {
    for (uint64_t left = channels >> first_slot << first_slot; left != 0; left &= left - 1) {
        const Capability& held = cell.capabilities[static_cast<size_t>(std::countr_zero(left))];
        if (held.kind == RUMPK_CAP_CHANNEL) {
            what(ends_at(held));
        }
    }
}

void ring_end(ChannelEnd& end) {
    if (end.waiter != nullptr) {
        this_scheduler().ring(*end.waiter, uint64_t{1} << end.slot);
    } else {
        end.rung = true;
    }
}

// Into the cell's next slot.
void grant(Cell& cell, uint32_t number, uint32_t side) {
    uint32_t slot = first_slot;
    while (slot < slots_end && cell.capabilities[slot].kind != RUMPK_CAP_NONE) {
        ++slot;
    }
    if (slot == slots_end) {
        stop_boot("cell %.*s: it has no slot for channel %.*s", RUMPK_TEXT(cell.name()),
                  RUMPK_TEXT(all[number].name));
    }
    cell.capabilities[slot] = {RUMPK_CAP_CHANNEL, side == 0 ? right_write : right_read, 1, number};
    all[number].ends[side] = {&cell, slot, nullptr, false};
}

// The ring stands in the sender's window, and at the same address in the receiver's view.
void make_ring(Channel& channel, VirtAddr& next, Cell& from, Cell& to) {
    const uint64_t size = align_up(geometry_of(channel).bytes(), page);
    channel.memory = boot_memory().take_pages(size, "channels");
    channel.ring.base = next.value();
    __builtin_memset(boot_memory().touch(channel.memory), 0, size); // all of it can be seen
    ensure(ion::format(memory_of(channel), geometry_of(channel)).has_value());
    const uint32_t rights = mapped_with(right_read | right_write);
    if (machine().map(next.value(), channel.memory.value(), size, rights) < 0 ||
        machine().views->show(to.id().value(), next.value(), channel.memory.value(), size, rights) < 0) {
        stop_boot("channel %.*s from %.*s cannot be mapped", RUMPK_TEXT(channel.name),
                  RUMPK_TEXT(from.name()));
    }
    next = next + size;
}

} // namespace

void prepare_channels(const BootTable& table) {
    const std::span<const rumpk_boot_channel> described = table.channels();
    all = boot_memory().take_objects<Channel>(described.size(), "channels");
    std::array<uint64_t, RUMPK_WINDOW_COUNT> used{}; // by the sender's index
    for (uint32_t i = 0; i < described.size(); ++i) {
        const rumpk_boot_channel& one = described[i];
        Cell& from = cells()[one.from];
        Cell& to = cells()[one.to];
        const auto* const name = reinterpret_cast<const char*>(one.name);
        all[i].name = {name, __builtin_strlen(name)};
        all[i].ring = {0, one.slots, one.slot_size};
        VirtAddr next = from.window().base + RUMPK_WINDOW_CHANNELS + used[one.from];
        const VirtAddr begin = next;
        make_ring(all[i], next, from, to);
        used[one.from] += next - begin;
        grant(from, i, 0);
        grant(to, i, 1);
    }
}

const Channel* channel_at(const Cell& cell, uint32_t slot) {
    const bool is_one = slot < RUMPK_CAP_SLOTS && cell.capabilities[slot].kind == RUMPK_CAP_CHANNEL;
    return is_one ? &all[cell.capabilities[slot].object] : nullptr;
}

void ring_channels_of(const Cell& cell, uint64_t channels) {
    for_each(cell, channels, [](const Ends& ends) { ring_end(ends.other); });
}

Result<void> await_channels(Fiber& fiber, uint64_t channels) {
    bool free = true;
    for_each(*fiber.cell, channels, [&](const Ends& ends) {
        free = free && (ends.own.waiter == nullptr || ends.own.waiter == &fiber);
    });
    if (!free) {
        return error(Errno::busy);
    }
    for_each(*fiber.cell, channels, [&](const Ends& ends) {
        ends.own.waiter = &fiber;
        if (ends.own.rung) {
            ends.own.rung = false;
            fiber.latched |= uint64_t{1} << ends.own.slot;
        }
    });
    return {};
}

// A bell that came and was not taken is for whoever waits next.
void leave_channels(Fiber& fiber, uint64_t channels) {
    for_each(*fiber.cell, channels, [&](const Ends& ends) {
        if (ends.own.waiter == &fiber) {
            ends.own.waiter = nullptr;
            ends.own.rung = fiber.take(uint64_t{1} << ends.own.slot) != 0;
        }
    });
}

// What the dead end left in its line is taken as far as it makes sense.
void close_channels_of(const Cell& cell) {
    for (Channel& channel : all) {
        for (uint32_t side = 0; side < channel.ends.size(); ++side) {
            if (channel.ends[side].cell != &cell) {
                continue;
            }
            if (side == 0) {
                if (auto end = ion::Producer::resume(memory_of(channel).data(), geometry_of(channel))) {
                    end->close();
                }
            } else if (auto end = ion::Consumer::resume(memory_of(channel).data(), geometry_of(channel))) {
                end->close();
            }
            const InterruptsMasked masked;
            ring_end(channel.ends[1 - side]);
        }
    }
}

} // namespace rumpk
