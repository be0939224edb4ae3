// SPDX-License-Identifier: Apache-2.0
#include "core/channels.h"

#include <algorithm>
#include <bit>

#include "core/console.h"
#include "core/devices.h"
#include "core/log.h"
#include "core/memory.h"
#include "ion/consumer.h"
#include "ion/producer.h"
#include "ion/renew.h"

namespace rumpk {

namespace {

constexpr uint64_t page = HAL_PAGE_SIZE;
constexpr uint32_t first_slot = Cell::machine_slot + 1;
constexpr uint32_t ends_of_a_channel = 2;
constexpr uint32_t slots_end = RUMPK_CAP_SLOTS - 1; // bit 63 of a mask is no channel

std::span<Channel> all;
std::span<ChannelEnd> all_ends;                  // the n-th channel's are 2 n, which sends, and 2 n + 1
std::span<const rumpk_boot_channel> described;   // in the boot table, of the first of them ...
size_t channel_count = 0;                        // ... behind which come those that devices have made
std::array<uint64_t, RUMPK_WINDOW_COUNT> used{}; // bytes of each window

constexpr bool is_channel(uint32_t kind) {
    static_assert(RUMPK_CAP_DEVICE == RUMPK_CAP_CHANNEL + 1);
    return kind - RUMPK_CAP_CHANNEL <= 1;
}

ion::Geometry geometry_of(const Channel& channel) {
    return *ion::Geometry::make(channel.ring.slots, channel.ring.slot_size); // as the table's reader checked
}

std::span<std::byte> memory_of(const Channel& channel) {
    return {boot_memory().touch(channel.memory), geometry_of(channel).bytes()};
}

// Of those bits that are channels: the number of the cell's end.
template <typename Do>
[[gnu::always_inline]] inline void for_each(const Cell& cell, uint64_t channels, Do&& what) {
    for (uint64_t left = channels >> first_slot << first_slot; left != 0; left &= left - 1) {
        const Capability& held = cell.capabilities[static_cast<size_t>(__builtin_ctzll(left))];
        if (is_channel(held.kind)) {
            what(static_cast<uint32_t>(held.object));
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
void grant(Cell& cell, uint32_t number, uint32_t side, rumpk_cap_kind kind = RUMPK_CAP_CHANNEL) {
    const uint32_t slot = take_slot(cell, all[number].name);
    cell.capabilities[slot] = {kind, side == 0 ? right_write : right_read, 1, 2 * number + side};
    all[number].ends[side] = {&cell, slot, nullptr, false};
}

// Memory for a place in the cell's window, zeroed, for all of it can be seen. Where windows are memory the
// cell is shown all of its room at once: one region.
PhysAddr map_room(const Cell& cell, AddressRange place) {
    const bool first = place.base == cell.window().base + RUMPK_WINDOW_CHANNELS;
    const PhysAddr memory =
        windows_are_memory ? PhysAddr{place.base.value()} : boot_memory().take_pages(place.size, "channels");
    __builtin_memset(boot_memory().touch(memory), 0, place.size);
    const uint64_t shown = windows_are_memory ? RUMPK_WINDOW_SIZE - RUMPK_WINDOW_CHANNELS : place.size;
    const uint32_t rights = mapped_with(right_read | right_write);
    if ((first || !windows_are_memory) &&
        machine().map(place.base.value(), memory.value(), shown, rights) < 0) {
        stop_boot("cell %.*s: its channels and devices cannot be mapped", RUMPK_TEXT(cell.name()));
    }
    return memory;
}

// The ring stands in that cell's window.
void make_ring(Channel& channel, const Cell& cell, AddressRange place) {
    channel.memory = map_room(cell, place);
    channel.ring.base = place.base.value();
    ensure(ion::format(memory_of(channel), geometry_of(channel)).has_value());
}

// At the same address in the view of another, if each has its own.
void show_ring(const Channel& channel, const Cell& other, AddressRange place, PhysAddr memory) {
    const uint32_t rights = mapped_with(right_read | right_write);
    if (parts::cells && machine().views->show(other.id().value(), place.base.value(), memory.value(),
                                              place.size, rights) < 0) {
        stop_boot("cell %.*s: channel %.*s cannot be mapped", RUMPK_TEXT(other.name()),
                  RUMPK_TEXT(channel.name));
    }
}

// Of the table's channels the `number`-th, which leads to another cell: in the block of those two.
void make_shared_ring(uint32_t number) {
    const rumpk_boot_channel& one = described[number];
    const Cell& from = cells()[one.from];
    const ChannelBlock block = channel_block(described, one.from, one.to);
    const VirtAddr begin = from.window().base + RUMPK_WINDOW_CHANNELS + block.offset;
    AddressRange place{begin, channel_pages(one)};
    for (const rumpk_boot_channel& before : described.first(number)) {
        const bool beside = before.from == one.from && before.to == one.to;
        place.base = place.base + (beside ? channel_pages(before) : 0);
    }
    make_ring(all[number], from, place);
    if (!windows_are_memory) {
        show_ring(all[number], cells()[one.to], place, all[number].memory);
    } else if (place.base == begin) { // one region for the whole block
        show_ring(all[number], cells()[one.to], {begin, block.size}, all[number].memory);
    }
}

// Of one with the kernel, in the cell's window.
void make_kernel_ring(Channel& channel, const Cell& cell, void (*heard)(Channel&)) {
    const uint64_t size = align_up(geometry_of(channel).bytes(), page);
    make_ring(channel, cell, {take_channel_room(cell, size), size});
    channel.heard = heard;
}

void console_heard(Channel&) {
    console().device_event();
}

// The kernel's end of a ring that has just been formatted. It is always waiting for a bell.
void open_kernel_end(Channel& channel) {
    void* const ring = memory_of(channel).data();
    if (channel.ends[0].cell == nullptr) {
        channel.sends.emplace(ring, geometry_of(channel)).arm();
    } else {
        channel.receives.emplace(ring, geometry_of(channel)).arm();
    }
}

// What has been published of a ring that the kernel receives from. Masked.
uint32_t waiting_in(ion::Consumer& end) {
    const auto messages = end.peek(end.geometry().slots());
    return messages ? messages->size() : 0;
}

// The kernel's end goes on where it is, and what the dead one wrote besides its messages is gone. False: it
// has lied, and what is under way cannot be told. In steps, for the kernel may send meanwhile.
bool mend(Channel& channel) {
    const ion::Geometry geometry = geometry_of(channel);
    constexpr uint32_t at_once = 16; // slots
    for (uint32_t slot = 0; slot < geometry.slots(); slot += at_once) {
        const InterruptsMasked masked;
        uint64_t head = 0;
        uint32_t count = 0;
        if (channel.sends) {
            const bool open = channel.sends->peer_closed() == ion::Close::open;
            count = geometry.slots() - channel.sends->free(); // a fresh look
            head = channel.sends->position() - count;
            if (!open || channel.sends->closed() != ion::Close::open) {
                return false;
            }
        } else {
            count = waiting_in(*channel.receives);
            head = channel.receives->position();
            if (channel.receives->closed() != ion::Close::open) {
                return false;
            }
        }
        ion::mend(memory_of(channel), geometry, {head, count}, slot, at_once);
    }
    return true;
}

// Where each page has an entry of its own, its pages. Else, if none is left of the channels between the two,
// all that is shown together with it: what lies between them and behind is for neither any more.
AddressRange shown_of(uint32_t number) {
    const Channel& channel = all[number / 2];
    const AddressRange pages{VirtAddr{channel.ring.base}, align_up(geometry_of(channel).bytes(), page)};
    if (!windows_are_memory || number / 2 >= described.size()) {
        return pages;
    }
    const rumpk_boot_channel& one = described[number / 2];
    if (std::max(one.from, one.to) >= cells().size()) {
        return pages; // with the kernel
    }
    for (uint32_t i = 0; i < described.size(); ++i) {
        const bool beside = described[i].from == one.from && described[i].to == one.to;
        if (beside && all_ends[2 * i + number % 2].cell != nullptr) {
            return pages;
        }
    }
    const ChannelBlock block = channel_block(described, one.from, one.to);
    return {cells()[one.from].window().base + RUMPK_WINDOW_CHANNELS + block.offset, block.size};
}

} // namespace

uint32_t take_slot(const Cell& cell, std::string_view name) {
    uint32_t slot = first_slot;
    while (slot < slots_end && cell.capabilities[slot].kind != RUMPK_CAP_NONE) {
        ++slot;
    }
    if (slot == slots_end) {
        stop_boot("cell %.*s: it has no slot for %.*s", RUMPK_TEXT(cell.name()), RUMPK_TEXT(name));
    }
    return slot;
}

VirtAddr take_channel_room(const Cell& cell, uint64_t size) {
    uint64_t& room = used[cell.id().value()];
    const VirtAddr place = cell.window().base + RUMPK_WINDOW_CHANNELS + room;
    room += size; // there is so much: the table's reader has counted
    return place;
}

MappedRoom take_mapped_room(const Cell& cell, uint64_t size) {
    const VirtAddr place = take_channel_room(cell, size);
    return {place, map_room(cell, {place, size})};
}

void prepare_channels(const BootTable& table) {
    described = table.channels();
    channel_count = described.size();
    all = boot_memory().take_objects<Channel>(channel_count + table.devices().size(), "channels");
    all_ends = boot_memory().take_objects<ChannelEnd>(ends_of_a_channel * all.size(), "channels");
    for (size_t i = 0; i < all.size(); ++i) {
        all[i].ends = &all_ends[ends_of_a_channel * i];
    }
    for (uint32_t cell = 0; cell < table.cell_count(); ++cell) {
        used[cells()[cell].id().value()] = channel_block(described, cell, RUMPK_WINDOW_COUNT).offset;
    }
    for (uint32_t i = 0; i < described.size(); ++i) {
        const rumpk_boot_channel& one = described[i];
        Cell* const from = one.from < table.cell_count() ? &cells()[one.from] : nullptr;
        Cell* const to = one.to < table.cell_count() ? &cells()[one.to] : nullptr;
        ensure(from != nullptr || to != nullptr); // says the table's reader
        const auto* const name = reinterpret_cast<const char*>(one.name);
        all[i].name = {name, __builtin_strlen(name)};
        all[i].ring = {0, one.slots, one.slot_size};
        if (from != nullptr) {
            grant(*from, i, 0);
        }
        if (to != nullptr) {
            grant(*to, i, 1);
        }
        if (from != nullptr && to != nullptr) {
            make_shared_ring(i);
            continue;
        }
        const bool entropy = one.to == RUMPK_CHANNEL_KERNEL;
        make_kernel_ring(all[i], from != nullptr ? *from : *to, entropy ? take_entropy : console_heard);
        open_kernel_end(all[i]);
        if (!entropy) {
            all[i].keeps = true;
            console().port().connect(all[i]);
        }
    }
}

Channel& make_device_channel(std::string_view name, Cell& cell, ion::Geometry geometry) {
    const size_t number = channel_count++;
    Channel& channel = all[number];
    channel.name = name;
    channel.ring = {0, geometry.slots(), geometry.slot_size()};
    make_kernel_ring(channel, cell, device_released);
    grant(cell, static_cast<uint32_t>(number), 1, RUMPK_CAP_DEVICE);
    open_kernel_end(channel);
    return channel;
}

const Channel* channel_at(const Cell& cell, uint32_t slot) {
    const bool is_one = slot < RUMPK_CAP_SLOTS && is_channel(cell.capabilities[slot].kind);
    return is_one ? &all[cell.capabilities[slot].object / 2] : nullptr;
}

void ring_cell_of(Channel& channel) {
    ring_end(channel.ends[channel.ends[0].cell != nullptr ? 0 : 1]);
}

void ring_channels_of(const Cell& cell, uint64_t channels) {
    for_each(cell, channels, [](uint32_t own) {
        ChannelEnd& other = all_ends.data()[own ^ 1];
        if (other.cell != nullptr) [[likely]] {
            ring_end(other);
        } else if (Channel& channel = all[own / 2]; channel.sends || channel.receives) {
            channel.heard(channel);
        }
    });
}

void renew_kernel_channels_of(const Cell& cell, void (*on_renewed)(Channel&)) {
    for (Channel& channel : all) {
        const uint32_t side = channel.ends[0].cell == &cell ? 0 : 1;
        if (channel.ends[side].cell != &cell || channel.ends[1 - side].cell != nullptr) {
            continue;
        }
        if (!channel.keeps || !mend(channel)) {
            {
                const InterruptsMasked masked;
                channel.sends.reset();
                channel.receives.reset();
            }
            ensure(ion::format(memory_of(channel), geometry_of(channel)).has_value());
            const InterruptsMasked masked;
            if (channel.ends[side].cell != &cell) {
                continue; // it has been taken from the cell meanwhile
            }
            open_kernel_end(channel);
        }
        const InterruptsMasked masked;
        on_renewed(channel);
        if (channel.keeps) {
            channel.heard(channel); // what it waited for may be there, and whether it waits is forgotten
        }
    }
}

std::optional<ion::Consumer> end_of_the_dead(const Channel& channel) {
    const auto end = ion::Consumer::resume(memory_of(channel).data(), geometry_of(channel));
    return end && channel.sends ? std::optional(*end) : std::nullopt;
}

uint64_t still_held(const Cell& cell, uint64_t channels) {
    for (uint64_t left = channels >> first_slot << first_slot; left != 0; left &= left - 1) {
        if (cell.capabilities[static_cast<size_t>(__builtin_ctzll(left))].kind == RUMPK_CAP_NONE) {
            channels &= ~(left & -left);
        }
    }
    return channels;
}

// Nearly always one is waited for, and nobody waits there yet.
Result<void> await_channels(Fiber& fiber, uint64_t channels) {
    bool free = true;
    for_each(*fiber.cell, channels, [&](uint32_t own) {
        const Fiber* const waiter = all_ends.data()[own].waiter;
        free = free && (waiter == nullptr || waiter == &fiber);
    });
    if (!free) {
        return error(Errno::busy);
    }
    for_each(*fiber.cell, channels, [&](uint32_t own) {
        ChannelEnd& end = all_ends.data()[own];
        end.waiter = &fiber;
        fiber.unusual = true; // its end is looked for at these ends
        if (end.rung) {
            end.rung = false;
            fiber.latched |= uint64_t{1} << end.slot;
        }
    });
    return {};
}

// A bell that came and was not taken is for whoever waits next.
void leave_channels(Fiber& fiber, uint64_t channels) {
    for_each(*fiber.cell, channels, [&](uint32_t own) {
        ChannelEnd& end = all_ends.data()[own];
        if (end.waiter == &fiber) {
            end.waiter = nullptr;
            end.rung = fiber.take(uint64_t{1} << end.slot) != 0;
        }
    });
}

void tell_peers_of(const Cell& cell) {
    for (const Channel& channel : all) {
        for (uint32_t side = 0; side < ends_of_a_channel; ++side) {
            const ChannelEnd& other = channel.ends[1 - side];
            if (channel.ends[side].cell == &cell && other.cell != nullptr) {
                other.cell->peer_began_anew(other.slot);
            }
        }
    }
}

void close_channels_of(const Cell& cell) {
    for (uint32_t number = 0; number < all_ends.size(); ++number) {
        if (all_ends[number].cell == &cell) {
            close_lost_end(number);
        }
    }
}

LostEnd lose_end(const Cell& cell, uint32_t slot) {
    const auto number = static_cast<uint32_t>(cell.capabilities[slot].object);
    Channel& channel = all[number / 2];
    ring_end(all_ends[number]);
    all_ends[number] = {};
    channel.sends.reset();
    channel.receives.reset();
    return {number, channel.name, shown_of(number)};
}

// What the lost end left in its line is taken as far as it makes sense.
void close_lost_end(uint32_t number) {
    const Channel& channel = all[number / 2];
    if (number % 2 == 0) {
        if (auto end = ion::Producer::resume(memory_of(channel).data(), geometry_of(channel))) {
            end->close();
        }
    } else if (auto end = ion::Consumer::resume(memory_of(channel).data(), geometry_of(channel))) {
        end->close();
    }
    const InterruptsMasked masked;
    ring_end(all_ends[number ^ 1]);
}

bool is_consoles(const Cell& cell, uint32_t slot) {
    return all[cell.capabilities[slot].object / 2].keeps;
}

} // namespace rumpk
